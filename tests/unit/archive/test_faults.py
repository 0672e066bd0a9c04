"""The faults of a run: other keys for each series, and values that the contract's own schema holds."""

from __future__ import annotations

import json

from backbone.events.archive.faults import faults
from backbone.events.contracts import repository
from backbone.events.contracts.values import Converter
from backbone.events.contracts.wire import Decoder, Encoder
from backbone.events.records import Codec
from tests import ROOT


def test_faults_are_by_contract_but_one_and_no_key_comes_twice() -> None:
    contract = repository.load(ROOT / repository.FOLDER, repository.SCHEMA_FILE).contracts[0]
    schema = contract.latest.schema
    codec = Codec(contract, Converter(schema), Encoder(7, schema))
    made = [fault for series in (0, 4) for fault in faults("here", codec, series)]
    assert len({fault.record.key for fault in made}) == len(made) == 8
    decoder = Decoder({7: json.loads(contract.latest.text)}.get)
    by_contract = [fault for fault in made if fault.record.value[:1] == b"\0"]
    assert [fault.cause for fault in by_contract] == ["22021", "22008", "54000"] * 2
    for fault in by_contract:
        assert decoder.decode(fault.record.value)["event_id"].encode() == fault.record.key

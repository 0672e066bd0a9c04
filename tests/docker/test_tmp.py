
from tests.docker import checkout
from tests.docker.conftest import no_display
from scripts.engine import open_stack
from scripts import lifecycle

def test_x(engine, tmp_path):
    settings = checkout.fresh(tmp_path / "clone", "e2e-tmp", port_shift=25000, environ=engine[0])
    st = open_stack(settings, ["data", "obs", "messaging"], "docker", no_display)
    try:
        st.engine.start(["prometheus", "postgres", "kafka-folders"], print)
        for s in st.engine.states(): print(s)
        print(st.engine.failure("prometheus"))
        from scripts.doctor.gather import gather
        from scripts.doctor.checks import diagnose
        for r in diagnose(gather(st)): print(r.check.name, r.status, r.reason, [f.evidence for f in r.findings])
    finally:
        lifecycle.nuke(st, print)
    print(list(settings.root.glob("data/*")))

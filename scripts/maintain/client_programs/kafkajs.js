// Send records with KafkaJS, idempotent, and read them back in a group: BROKERS TOPIC COUNT.
const { Kafka, logLevel } = require("kafkajs");

const [brokers, topic, count] = [process.argv[2].split(","), process.argv[3], Number(process.argv[4])];
const kafka = new Kafka({ clientId: "clients", brokers, logLevel: logLevel.ERROR });

async function main() {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const messages = Array.from({ length: count }, (_, number) => ({ key: `${number}`, value: `${number}` }));
  await producer.send({ topic, acks: -1, messages });
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: topic });
  const read = new Set();
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise((resolve, reject) => {
    setTimeout(resolve, 60_000).unref();
    const eachMessage = async ({ message }) => {
      read.add(message.value.toString());
      if (read.size === count) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect(); // commits
  console.log("read", read.size);
}

main().then(() => process.exit(0), (error) => {
  console.error(error.message);
  process.exit(1);
});

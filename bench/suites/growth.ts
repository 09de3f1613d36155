import { type ItemForm, ITEM_PROCESSES, startItemSide } from "../citadel/item-side.ts";
import {
  CONNECTIONS,
  httpFigures,
  measureHttp,
  showHttp,
  startLoad,
} from "../harness/http-side.ts";
import { interleave, rowsOf } from "../harness/rounds.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";

// Does a request cost more in an application with more services, actions or nodes?

const SUBJECT = `signed-in GET in a growing application, ${CONNECTIONS} connections`;

const FORMS: readonly (ItemForm & { isQuick?: boolean })[] = [
  { name: OURS, isQuick: true },
  { name: "30 services", more: { services: 24, actions: 1 } },
  { name: "100 services", more: { services: 94, actions: 1 }, isQuick: true },
  { name: "100 more actions", more: { services: 10, actions: 10 } },
  { name: "1,000 more actions", more: { services: 10, actions: 100 }, isQuick: true },
  { name: "3 nodes of the service", nodes: 3 },
  { name: "6 nodes of the service", nodes: 6, isQuick: true },
];

const FLAT = { CPU: { atLeast: 0.9 } };

async function run(context: BenchContext): Promise<Row[]> {
  const { progress, quick } = context;
  const forms = FORMS.filter(
    ({ name, isQuick = false }) => name === OURS || context.includes(name, isQuick),
  );
  const sides = await progress.step(`${forms.length} sides start`, async () => {
    const started = [];
    // at once, the processes would wait for each other's start
    for (const form of forms) started.push(await startItemSide(context, form));
    return started;
  });
  if (context.hold) {
    await context.hold(sides);
    return [];
  }
  const load = await startLoad();
  const size = quick ? { rounds: 5, duration: 300 } : { rounds: 12, duration: 600 };
  await progress.step("warm-up", async () => {
    for (const side of sides) await measureHttp(load, side, quick ? 1_000 : 2_000);
  });
  const measured = await interleave(
    context,
    { ...size, sides },
    (side) => measureHttp(load, side, size.duration),
    showHttp,
  );
  const goals = Object.fromEntries(
    forms.slice(1).flatMap(({ name, nodes }) => (nodes ? [] : [[name, FLAT]])),
  );
  return rowsOf(SUBJECT, measured, httpFigures(ITEM_PROCESSES), goals);
}

export const suite: Suite = {
  name: "growth",
  order: 8,
  description: "a request in an application with more services, actions and nodes",
  method: `The suite \`http\`'s request. Citadel has six services and \`item\`, 60 actions, and one node of \`item\`. The other sides are the same
with idle services, whose actions have routes, on a node of their own, or with more nodes of \`item\`. A ratio of 1 is flat. More nodes
cost more for each request: fewer requests at once are for the same node, so fewer share a frame and a write. One node with 8
connections costs as much as six nodes with 50.`,
  run,
};

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

// What the access log and the metrics cost, which are on by default.

const SUBJECT = `signed-in GET with the access log and metrics, ${CONNECTIONS} connections`;

const LOG = { LOG_LEVEL: "info" };
const NO_METRICS = { METRICS_PORT: "off" };

const FORMS: readonly ItemForm[] = [
  { name: OURS, env: LOG },
  { name: "without the access log", env: {} },
  { name: "without metrics", env: { ...LOG, ...NO_METRICS } },
  { name: "without both", env: NO_METRICS },
];

const CHEAP = { CPU: { atMost: 1.1 } };
const GOALS = { "without the access log": CHEAP, "without metrics": CHEAP };

async function run(context: BenchContext): Promise<Row[]> {
  const { progress, quick } = context;
  const sides = await progress.step(`${FORMS.length} sides start`, () =>
    Promise.all(FORMS.map((form) => startItemSide(context, form))),
  );
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
  return rowsOf(SUBJECT, measured, httpFigures(ITEM_PROCESSES), GOALS);
}

export const suite: Suite = {
  name: "observability",
  order: 7,
  description: "what the access log and the metrics cost",
  method: `The suite \`http\`'s request, with the access log (\`LOG_LEVEL=info\`, one line of JSON for each request, to a pipe) and metrics, as
the application ships, and without them. There are no traces yet: Moleculer's tracing is off.`,
  run,
};

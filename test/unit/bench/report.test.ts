import { describe, expect, it } from "vitest";
import { rowsOf } from "../../../bench/harness/rounds.ts";
import { OURS, type Row } from "../../../bench/harness/suite.ts";
import { compareRatios } from "../../../bench/report/check.ts";
import { drawChart } from "../../../bench/report/chart.ts";
import { goalTable, tablesOf } from "../../../bench/report/tables.ts";

const PEER = "a peer";

const row = (values: Partial<Row>): Row => ({
  subject: "a request",
  side: PEER,
  figure: "requests",
  unit: "/s",
  value: 100,
  ratio: 1,
  ...values,
});

describe("the rows of a measurement", () => {
  const figures = [{ name: "requests", unit: "/s", of: (rate: number) => rate }];

  it("have the median of the rounds' ratios, which other load on the machine does not change", () => {
    // the machine was ten times slower in the second round
    const measured = new Map([
      [OURS, [200, 20, 220]],
      [PEER, [100, 10, 110]],
    ]);
    expect(rowsOf("a request", measured, figures)).toEqual([
      { subject: "a request", side: OURS, figure: "requests", unit: "/s", value: 200 },
      { subject: "a request", side: PEER, figure: "requests", unit: "/s", value: 100, ratio: 2 },
    ]);
  });

  it("leave out a figure that a side does not have", () => {
    const measured = new Map([[PEER, [undefined]]]);
    const absent = [{ name: "CPU Redis", unit: "µs", of: (value: undefined) => value }];
    expect(rowsOf("a request", measured, absent)).toEqual([]);
  });
});

describe("npm run bench -- --check", () => {
  it("reports a ratio that differs by more than the noise, up or down", () => {
    const committed = [row({ ratio: 1 })];
    for (const ratio of [0.5, 2])
      expect(compareRatios([row({ ratio })], committed).differences).toEqual([
        { row: row({ ratio }), committed: 1 },
      ]);
  });

  it("accepts a ratio within the noise", () => {
    const { compared, differences } = compareRatios([row({ ratio: 1.1 })], [row({ ratio: 1 })]);
    expect({ compared, differences }).toEqual({ compared: 1, differences: [] });
  });

  it("does not compare 99th percentiles, new rows, and what was not measured", () => {
    const measured = [
      row({ figure: "p99", ratio: 9 }),
      row({ side: "a new peer", ratio: 9 }),
      row({ figure: "CPU", ratio: NaN }),
    ];
    const committed = [row({ figure: "p99" }), row({ figure: "CPU" })];
    expect(compareRatios(measured, committed)).toEqual({ compared: 0, differences: [] });
  });
});

describe("the report", () => {
  it("says of each goal whether it, its floor or neither is reached", () => {
    const goal = { atLeast: 1.3, floor: 1 };
    const verdicts = [1.4, 1.1, 0.9, NaN].map((ratio) =>
      goalTable([row({ goal, ratio })])[0]?.at(-1),
    );
    expect(verdicts).toEqual(["yes", "the floor", "no", "not measured"]);
  });

  it("compares Citadel's own figure with a goal that is no ratio", () => {
    const own = row({ side: OURS, unit: "MB", value: 400, goal: { atMost: 320 } });
    expect(goalTable([own])).toEqual([["a request: requests", "", "≤ 320 MB", "400 MB", "no"]]);
  });

  it("has a line for each side and a column for each figure", () => {
    const rows = [
      { subject: "a request", side: OURS, figure: "requests", unit: "/s", value: 50 },
      row({ ratio: 0.5 }),
      row({ figure: "CPU", unit: "µs", value: 7, ratio: 3 }),
    ];
    expect(tablesOf(rows)).toEqual([
      {
        subject: "a request",
        head: ["", "requests, /s", "CPU, µs"],
        lines: [
          [OURS, "50", ""],
          [PEER, "100 (0.50)", "7 (3.00)"],
        ],
        hasPeers: true,
      },
    ]);
  });

  it("has a chart with the sides' names escaped, and none of a figure that was not measured", () => {
    const chart = { file: "chart", subject: "a request", figure: "requests" };
    expect(drawChart(chart, [row({ side: "a < b" })])).toContain("a &lt; b");
    expect(drawChart({ ...chart, figure: "CPU" }, [row({})])).toBeUndefined();
  });
});

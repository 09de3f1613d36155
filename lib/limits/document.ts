import type { ServiceContract } from "../contract/contract.ts";
import type { Section } from "../docs/section.ts";
import { APPLICATION_LIMITS } from "./application-limits.ts";
import type { LimitContract, Limits } from "./limit.ts";

/** The sections of docs/limits.md: the application's limits, then those of each service that has some. */
export const limitSections = (contracts: ReadonlyMap<string, ServiceContract>): Section[] => [
  { title: "The application", text: tableOf(APPLICATION_LIMITS) },
  ...[...contracts.values()].flatMap(({ name, limits }) =>
    limits ? [{ service: name, title: `The service ${name}`, text: tableOf(limits) }] : [],
  ),
];

function tableOf(limits: Limits): string {
  const rows = Object.entries(limits).map(([name, limit]) =>
    [
      `\`${name}\``,
      limit.counts,
      limit.per,
      limitText(limit),
      exceededText(limit),
      settingText(limit),
    ].join(" | "),
  );
  return [
    "| name | counts | per | at most | beyond it | setting |",
    "|---|---|---|---|---|---|",
    ...rows.map((row) => `| ${row} |`),
  ].join("\n");
}

/** `30 in 1 min` */
export const limitText = ({ max, seconds }: LimitContract): string =>
  seconds === undefined
    ? `${max.toLocaleString("en")} at a time`
    : `${max.toLocaleString("en")} in ${durationText(seconds)}`;

const exceededText = ({ exceeded }: LimitContract): string => exceeded ?? "429 TooManyRequests";

const settingText = ({ setting }: LimitContract): string => (setting ? `\`${setting}\`` : "");

/** A duration in the largest unit that fits: `10 s`, `15 min`, `6 h`. */
function durationText(seconds: number): string {
  if (seconds % 3_600 === 0) return `${seconds / 3_600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

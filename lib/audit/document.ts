import type { ServiceContract } from "../contract/contract.ts";
import type { Section } from "../docs/section.ts";
import { auditEventsOf } from "./declared-events.ts";

/** The sections of docs/audit.md: the application's events, then those of each service that has some. */
export function auditSections(contracts: ReadonlyMap<string, ServiceContract>): Section[] {
  const byService = Map.groupBy(auditEventsOf(contracts.values()), ({ service }) => service);
  return [...byService].map(([service, events]) => ({
    ...(service !== undefined && { service }),
    title: service === undefined ? "Events of every service" : `Events of the service ${service}`,
    text: [
      "| event | meaning |",
      "|---|---|",
      ...events.map(({ event, description }) => `| \`${event}\` | ${description} |`),
    ].join("\n"),
  }));
}

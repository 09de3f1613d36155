import type { ServiceContract } from "../contract/contract.ts";
import { GATEWAY } from "../contract/route.ts";
import type { Section } from "../docs/section.ts";
import type { JsonSchema } from "../openapi/json-schema.ts";
import type { DocumentedClientEvent, DocumentedServerEvent } from "./documented-events.ts";
import { documentedClientEvents, documentedServerEvents, needsOfEvent } from "./events.ts";

/** The sections of docs/sockets.md: the gateway's own events, then those of each service that has some. */
export function socketSections(contracts: ReadonlyMap<string, ServiceContract>): Section[] {
  const fromClients = Map.groupBy(documentedClientEvents(contracts, new Map()), serviceOf);
  const fromServer = Map.groupBy(documentedServerEvents(contracts, new Map()), serviceOf);
  const services = [...contracts.keys()].filter(
    (name) => name !== GATEWAY && (fromClients.has(name) || fromServer.has(name)),
  );
  return [GATEWAY, ...services].map((service) => ({
    ...(service !== GATEWAY && { service }),
    title: service === GATEWAY ? "Events of every connection" : `Events of the service ${service}`,
    text: [
      clientTable(fromClients.get(service)),
      serverTable(fromServer.get(service)?.filter(({ subscription }) => !subscription)),
      subscriptionTable(fromServer.get(service)),
    ]
      .filter((text) => text !== "")
      .join("\n\n"),
  }));
}

const serviceOf = ({ service }: { readonly service: string }) => service;

function clientTable(events: readonly DocumentedClientEvent[] = []): string {
  return table(
    ["from the client", "data", "`data` of the acknowledgement", "does"],
    events.map((documented) => [
      `\`${documented.event}\``,
      typeText(documented.payload),
      typeText(documented.result),
      `${documented.description}${needsOfEvent(documented, " ")}`,
    ]),
  );
}

function serverTable(events: readonly DocumentedServerEvent[] = []): string {
  return table(
    ["from the server", "data", "received by", "means"],
    events.map(({ event, payload, recipients, description }) => [
      `\`${event}\``,
      typeText(payload),
      recipients,
      description,
    ]),
  );
}

function subscriptionTable(events: readonly DocumentedServerEvent[] = []): string {
  return table(
    ["subscribe to", "`params`", "`data` of the event", "received by", "means"],
    events.flatMap(({ subscription, recipients, description }) =>
      subscription
        ? [
            [
              `\`${subscription.event}\``,
              typeText(subscription.params),
              typeText(subscription.data),
              recipients,
              description,
            ],
          ]
        : [],
    ),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

/** A schema in one line: `{ roomId: string, after?: integer }`. */
function typeText(schema: JsonSchema): string {
  if (schema.allOf) return "an error object";
  if (typeof schema.description === "string" && schema.properties === undefined)
    return schema.description;
  const text = codeOf(schema);
  return text === "null" ? "null" : `\`${text}\``;
}

function codeOf({ type, properties, required = [], items, format, allOf }: JsonSchema): string {
  // every error object is declared as one (schemas.ts)
  if (allOf) return "error";
  const [name = "any", ...more] = [type ?? []].flat();
  const nullable = more.includes("null") ? " or null" : "";
  if (properties) {
    const fields = Object.entries(properties).map(
      ([field, one]) => `${field}${required.includes(field) ? "" : "?"}: ${codeOf(one)}`,
    );
    return `{ ${fields.join(", ")} }${nullable}`;
  }
  if (items) return `${codeOf(items)}[]${nullable}`;
  return `${format === "uuid" ? "uuid" : name}${nullable}`;
}

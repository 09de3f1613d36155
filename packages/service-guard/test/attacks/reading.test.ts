import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { as, chunks, type StartedBus, startBus } from "../helpers/bus.ts";
import { Wire } from "../helpers/wire.ts";

const PARAMETER = "planted-parameter-4f1c";
const TOKEN = "planted-access-token-77ab";
const RESPONSE = "planted-response-90de";
const EVENT = "planted-event-payload-11fa";
const CHUNK = "planted-chunk";

describe("An attacker who reads the whole bus", () => {
  let nodes: StartedBus;
  let wire: Wire;

  beforeAll(async () => {
    nodes = await startBus();
    wire = await Wire.open(nodes.bus);
  });
  afterAll(async () => {
    await wire.close();
    await nodes.bus.stop();
  });

  it("finds no parameter, token, response, event, chunk or credential", async () => {
    const { bus, a, b } = nodes;
    const options = { headers: { authorization: TOKEN }, meta: { token: TOKEN } };
    const response = await as(a, (ctx) =>
      ctx.call("b.echo", { text: PARAMETER, response: RESPONSE }, options),
    );
    expect(response).toEqual({ text: PARAMETER, response: RESPONSE });
    await as(a, (ctx) => ctx.emit("thing.happened", { text: EVENT }));
    const sent = chunks({ count: 5, size: 1_300, fill: CHUNK });
    expect(await as(a, (ctx) => ctx.call("b.upload", {}, { stream: sent } as object))).toBe(6_500);
    const stream = await as(b, (ctx) =>
      ctx.call<NodeJS.ReadableStream, object>("a.download", { count: 5, fill: CHUNK }),
    );
    for await (const chunk of stream) expect(String(chunk)).toContain(CHUNK);
    // a first contact with its EXCHANGE and GRANT
    const credential = bus.credential("c");
    const other = await bus.start("c", { credential: () => credential });
    await expect.poll(() => bus.ran).toContain("b thing.happened a");

    expect(new Set(wire.frames.map(({ frame }) => frame[1]))).toEqual(new Set([1, 2, 3, 4]));
    const secret = credential.slice(credential.lastIndexOf(".") + 1);
    const bytes = Buffer.concat(wire.frames.map(({ frame }) => frame));
    const found = [PARAMETER, TOKEN, RESPONSE, EVENT, CHUNK, secret, credential, "b.echo"].filter(
      (planted) =>
        [planted, Buffer.from(planted).toString("base64").slice(0, -4)].some((text) =>
          bytes.includes(text),
        ),
    );
    expect(found).toEqual([]);
    expect(wire.frames.every(({ subject }) => /\.SEAL(\.|$)/.test(subject))).toBe(true);
    await other.stop();
  });
});

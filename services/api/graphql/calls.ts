import DataLoader from "dataloader";
import type { Service } from "moleculer";
import type { Client } from "../../../lib/context/client.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { widestKeyOf } from "../../../lib/network/address.ts";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";
import type { CallableAction } from "../action-call.ts";
import type { CountedCall } from "../http/counted-call.ts";
import { mustBeIdempotencyKey } from "../http/params.ts";
import { carriesTokens } from "../http/responses/compression.ts";
import type { ConcurrencyLimiter } from "../limits/concurrency.ts";
import { mustBeWithinLimit, type RateLimiter } from "../limits/rate-limiter.ts";
import { IDEMPOTENCY_KEY, type Operation } from "./schema/definition.ts";

export interface CallDependencies {
  service: Service;
  countedCall: CountedCall;
  limiter: RateLimiter;
  concurrency: ConcurrencyLimiter;
}

/** Who sent the operation. */
export interface OperationRequest {
  req: GatewayRequest;
  res: GatewayResponse;
  token: string | undefined;
  client: Client;
}

type Params = Readonly<Record<string, unknown>>;
type Item = Readonly<Record<string, unknown>>;

/** The most ids of one call; the actions that list by ids take as many. */
const MAX_IDS = 100;

/** The calls of one operation. Each is made, limited and refused like the request that HTTP would need for it. */
export class OperationCalls {
  readonly #dependencies: CallDependencies;
  readonly #request: OperationRequest;
  readonly #loaders = new Map<string, DataLoader<string, Item | null>>();
  #count = 0;
  #mayCarryTokens = false;

  constructor(dependencies: CallDependencies, request: OperationRequest) {
    this.#dependencies = dependencies;
    this.#request = request;
  }

  /** May the response carry tokens, so that it must not be compressed? */
  get mayCarryTokens(): boolean {
    return this.#mayCarryTokens;
  }

  /** Calls the action of a field. @throws CitadelError, and what the action throws */
  async run({ route }: Operation, args: Params): Promise<unknown> {
    const { path, contract } = route;
    if (carriesTokens(path)) this.#mayCarryTokens = true;
    const { [IDEMPOTENCY_KEY]: key, ...others } = args;
    const result = contract.idempotent
      ? await this.#call(route, others, typeof key === "string" ? key : undefined)
      : await this.#call(route, { ...args });
    return contract.result === null ? true : result;
  }

  /** What an action that lists by ids has for an id; null if nothing. All ids of one moment are one call. */
  load(action: string, id: string): Promise<Item | null> {
    let loader = this.#loaders.get(action);
    if (!loader) {
      loader = new DataLoader((ids) => this.#list(action, ids), { maxBatchSize: MAX_IDS });
      this.#loaders.set(action, loader);
    }
    return loader.load(id);
  }

  async #list(action: string, ids: readonly string[]): Promise<(Item | null)[]> {
    const { items } = (await this.#call({ action, contract: {} }, { ids })) as {
      items: readonly Item[];
    };
    const byId = new Map(items.map((item) => [item.id, item]));
    return ids.map((id) => byId.get(id) ?? null);
  }

  async #call(route: CallableAction, params: Params, key?: string): Promise<unknown> {
    const { service, countedCall, limiter, concurrency } = this.#dependencies;
    const { req, res, token, client } = this.#request;
    // the request itself was counted as the first
    if (this.#count++ > 0) mustBeWithinLimit(limiter.countAddress("address", client.address));
    const idempotencyKey = key === undefined ? undefined : mustBeIdempotencyKey(key);
    const requestID = res.getHeader("X-Request-ID") as string;
    const result = await concurrency.run(widestKeyOf(client.address), res, () =>
      countedCall(service, req, route, { params, token, client, requestID, idempotencyKey }),
    );
    // without a client no result is needed, and further calls would be in vain
    if (res.destroyed) throw new CitadelError("RequestTimeout");
    return result;
  }
}

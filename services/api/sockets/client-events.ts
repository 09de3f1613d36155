import type { Service } from "moleculer";
import { contractsOf } from "../../../lib/context/attachment.ts";
import type { Finding } from "../../../lib/contract/schemas/findings.ts";
import { publicWrites, routesOf } from "../../../lib/contract/load.ts";
import {
  type ClientEvent,
  clientEvents,
} from "../../../lib/contract/declarations/socket-events.ts";
import { CitadelError, type PublicError } from "../../../lib/errors/errors.ts";
import { isUnlogged, toPublicError } from "../../../lib/errors/public-error.ts";
import { KeyedConcurrencyLimit } from "../../../lib/limits/keyed-concurrency-limit.ts";
import { callAction, type CallableAction } from "../action-call.ts";
import { contract } from "../api.contract.ts";
import type { Socket } from "../gateways.ts";
import { logFailure } from "../http/responses/errors.ts";
import { callerFor, identify, mustBeToken } from "./identity.ts";
import { roomOf } from "./rooms/room-names.ts";
import { joining } from "./rooms/joining.ts";
import { addPendingAck } from "./session-end.ts";
import type { SocketSubscriptions } from "./subscriptions.ts";

const { runningEvents, waitingEvents } = contract.limits;

type Data = Readonly<Record<string, unknown>>;
type Ack = (ack: { ok: true; data: unknown } | { ok: false; error: PublicError }) => void;
type Handler = (this: Socket, ...sent: unknown[]) => void;

const isObject = (value: unknown): value is Data =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The events that clients may send to a gateway: the gateway's own, and those that contracts declare. */
export class ClientEvents {
  readonly #api: Service;
  /** By the event's name. */
  readonly #declared: ReadonlyMap<string, ClientEvent>;
  /** The actions that `call` may call: those that have a route. */
  readonly #callable: ReadonlyMap<string, CallableAction>;
  readonly #publicWrites: ReadonlySet<string>;
  /** By socket. */
  readonly #running = new KeyedConcurrencyLimit({
    running: runningEvents.max,
    waiting: waitingEvents.max,
  });
  /** As moleculer-io takes them. */
  readonly handlers: Readonly<Record<string, Handler>>;

  constructor(api: Service, subscriptions: SocketSubscriptions) {
    const contracts = contractsOf(api.broker);
    const declared = clientEvents(contracts);
    const routes = routesOf(contracts);
    this.#api = api;
    this.#declared = new Map(declared.map((event) => [event.socket.event, event]));
    this.#callable = new Map(routes.map((route) => [route.action, route]));
    this.#publicWrites = publicWrites(routes);
    this.handlers = {
      ...Object.fromEntries(
        declared.map((event) => [
          event.socket.event,
          this.#acknowledged((socket, data) =>
            this.#running.run(socket.id, () => this.#callDeclared(socket, event, data)),
          ),
        ]),
      ),
      "auth:refresh": this.#acknowledged(async (socket, { token }) => {
        const exp = await identify(api, socket, mustBeToken(token));
        await subscriptions.recheck(socket);
        return { exp };
      }),
      subscribe: this.#acknowledged(
        (socket, data) => subscriptions.add(socket, data),
        (socket, { id }) => subscriptions.start(socket, id),
      ),
      unsubscribe: this.#acknowledged(async (socket, { id }) => subscriptions.remove(socket, id)),
      call: this.#call(),
    };
  }

  /** Is this an event that clients may send? */
  has(event: string): boolean {
    return Object.hasOwn(this.handlers, event);
  }

  /** Does this event call an action that changes something and needs no user, as registering does? */
  isPublicWrite(event: string, [first]: readonly unknown[]): boolean {
    const action = event === "call" ? first : this.#declared.get(event)?.action;
    return typeof action === "string" && this.#publicWrites.has(action);
  }

  /** Acknowledges an event that is refused before its handler runs. */
  refuse(event: string, sent: readonly unknown[], error: unknown): void {
    const respond = sent.at(-1);
    if (typeof respond !== "function") return;
    const shown = this.#toPublic(error);
    respond(event === "call" ? shown : { ok: false, error: shown });
  }

  /** An event whose acknowledgement is one object. @param then runs when that was sent */
  #acknowledged<Result>(
    handle: (socket: Socket, data: Data) => Promise<Result>,
    then?: (socket: Socket, result: Result) => void,
  ): Handler {
    const toPublic = (error: unknown) => this.#toPublic(error);
    return function (this: Socket, ...sent: unknown[]) {
      const [data] = sent;
      // the last argument: a client may leave the data out
      const last = sent.at(-1);
      const respond = typeof last === "function" ? (last as Ack) : () => {};
      const handling = (async () => handle(this, isObject(data) ? data : {}))();
      const ack = handling.then(
        // NATS makes null of undefined, and in one process it is the same
        (result) => {
          respond({ ok: true, data: result ?? null });
          return then?.(this, result);
        },
        (error: unknown) => respond({ ok: false, error: toPublic(error) }),
      );
      addPendingAck(this, ack);
    };
  }

  async #callDeclared(socket: Socket, event: ClientEvent, data: Data): Promise<unknown> {
    const { service: owner } = event;
    const { join, leave } = event.socket;
    const params = paramsOf(event, data);
    // the action's own parameters are checked where it runs
    const call = () => callAction(callerFor(this.#api, socket), event, params);
    try {
      const left = leave === undefined ? undefined : params[leave];
      if (typeof left === "string") void socket.leave(roomOf(owner, left));
      if (join === undefined) return await call();
      return await joining(this.#api, socket, { owner, id: params[join] }, call);
    } catch (error) {
      throw withNamesOf(event, error);
    }
  }

  /** `call`: acknowledged with `(error, result)`, as moleculer-io does. */
  #call(): Handler {
    const call = (socket: Socket, action: unknown, params: unknown) =>
      this.#running.run(socket.id, () => this.#callRoute(socket, action, params));
    const toPublic = (error: unknown) => this.#toPublic(error);
    return function (this: Socket, ...sent: unknown[]) {
      const respond = sent.pop();
      if (typeof respond !== "function") return;
      const [action, params] = sent;
      const ack = call(this, action, params ?? {}).then(
        (result) => respond(null, result),
        (error: unknown) => respond(toPublic(error)),
      );
      addPendingAck(this, ack);
    };
  }

  /** @throws CitadelError NotFound for an action without a route, VALIDATION_ERROR for parameters that are no object */
  async #callRoute(socket: Socket, action: unknown, params: unknown): Promise<unknown> {
    const callable = typeof action === "string" ? this.#callable.get(action) : undefined;
    if (!callable) throw new CitadelError("NotFound");
    if (!isObject(params)) throw new CitadelError("VALIDATION_ERROR");
    return callAction(callerFor(this.#api, socket), callable, params);
  }

  /** An error as the client sees it. Failures of the server are logged here, unless they were logged before. */
  #toPublic(error: unknown): PublicError {
    if (isUnlogged(error)) logFailure(this.#api, error);
    return toPublicError(error);
  }
}

/** The action's parameters from an event's data. Other fields of the data are ignored. */
function paramsOf(event: ClientEvent, data: Data) {
  const { names = {}, defaults = {} } = event.socket;
  const params: Record<string, unknown> = {};
  for (const param of Object.keys(event.contract.params)) {
    if (param.startsWith("$$")) continue;
    const field = names[param] ?? param;
    const value = Object.hasOwn(data, field) ? data[field] : defaults[param];
    if (value !== undefined) params[param] = value;
  }
  return params;
}

/** The same error, which names fields as the event does. */
function withNamesOf({ socket: { names = {} } }: ClientEvent, error: unknown): unknown {
  if (!(error instanceof CitadelError) || error.type !== "VALIDATION_ERROR") return error;
  if (!Array.isArray(error.data)) return error;
  const data = (error.data as Finding[]).map(({ field = "", message, ...finding }) => {
    const [param = "", ...inside] = field.split(".");
    const name = names[param] ?? param;
    return {
      ...finding,
      field: [name, ...inside].join("."),
      ...(message !== undefined && { message: message.replace(`'${param}`, `'${name}`) }),
    };
  });
  return new CitadelError("VALIDATION_ERROR", { message: error.message, data });
}

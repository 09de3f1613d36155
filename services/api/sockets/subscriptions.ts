import { randomUUID } from "node:crypto";
import type { Service } from "moleculer";
import { CitadelError, type PublicError } from "../../../lib/errors/errors.ts";
import { toPublicError } from "../../../lib/errors/public-error.ts";
import { contract } from "../api.contract.ts";
import type { Socket } from "../gateways.ts";
import type { Subscription, Subscriptions } from "../subscriptions/subscriptions.ts";
import { claimsOf } from "./identity.ts";
import { roomOf } from "./rooms/room-names.ts";
import { isEnding } from "./session-end.ts";

const { subscriptionsOfSocket } = contract.limits;

/** A subscription of a socket. */
interface Held {
  /** Undefined while the access token is verified. */
  subscription?: Subscription;
  /** No event is sent before the acknowledgement: the client does not know the id yet. */
  isAcknowledged?: true;
  /** Why the subscription has ended before the acknowledgement. */
  ended?: PublicError;
}

/** The subscriptions of all sockets. */
export class SocketSubscriptions {
  readonly #api: Service;
  readonly #subscriptions: Subscriptions;
  /** By their ids. */
  readonly #sockets = new WeakMap<Socket, Map<string, Held>>();

  constructor(api: Service, subscriptions: Subscriptions) {
    this.#api = api;
    this.#subscriptions = subscriptions;
  }

  /**
   * Subscribes a socket. Nothing is sent until `start`.
   *
   * @throws CitadelError TooManyRequests beyond the limit, and what `Subscriptions.add` throws
   */
  async add(
    socket: Socket,
    { event, params }: { event?: unknown; params?: unknown },
  ): Promise<{ id: string }> {
    const held = this.#heldBy(socket);
    if (held.size >= subscriptionsOfSocket.max)
      throw new CitadelError("TooManyRequests", {
        message: "End a subscription before you begin another.",
      });
    const id = randomUUID();
    const one: Held = {};
    held.set(id, one);
    try {
      one.subscription = await this.#subscriptions.add({
        event,
        params,
        identity: () => claimsOf(this.#api, socket),
        inRoom: (service, room) => socket.rooms.has(roomOf(service, room)),
        deliver: (data) => {
          if (one.isAcknowledged) socket.emit("event", { subscription: id, event, data });
        },
        end: (error) => {
          one.ended = toPublicError(error);
          if (one.isAcknowledged) sendEnd(socket, id, held);
        },
      });
    } catch (error) {
      held.delete(id);
      throw error;
    }
    // the socket may have closed meanwhile, and then nothing else removes it
    if (!held.has(id)) one.subscription.remove();
    return { id };
  }

  /** The client has the id: events are sent from now on. */
  start(socket: Socket, id: string): void {
    const held = this.#sockets.get(socket);
    const one = held?.get(id);
    if (!held || !one) return;
    one.isAcknowledged = true;
    if (one.ended) sendEnd(socket, id, held);
  }

  /** @throws CitadelError NotFound if the socket has no subscription with this id */
  remove(socket: Socket, id: unknown): void {
    const held = this.#sockets.get(socket);
    const one = typeof id === "string" ? held?.get(id) : undefined;
    if (!one?.subscription)
      throw new CitadelError("NotFound", { message: "There is no such subscription." });
    held?.delete(id as string);
    one.subscription.remove();
  }

  /** Ends the subscriptions that the socket's new access token does not permit. */
  async recheck(socket: Socket): Promise<void> {
    for (const { subscription } of this.#sockets.get(socket)?.values() ?? [])
      await subscription?.recheck();
  }

  /** The subscriptions of a socket, which end with it. @throws CitadelError ServiceNotAvailable for a closed socket */
  #heldBy(socket: Socket): Map<string, Held> {
    if (!socket.connected || isEnding(socket)) throw new CitadelError("ServiceNotAvailable");
    const known = this.#sockets.get(socket);
    if (known) return known;
    const held = new Map<string, Held>();
    this.#sockets.set(socket, held);
    socket.once("disconnect", () => {
      for (const { subscription } of held.values()) subscription?.remove();
      held.clear();
    });
    return held;
  }
}

/** Tells a client that its subscription has ended. */
function sendEnd(socket: Socket, id: string, held: Map<string, Held>): void {
  const error = held.get(id)?.ended;
  held.delete(id);
  socket.emit("subscription:end", { id, error });
}

import { Server, type Socket } from "socket.io";
import { FakeApi } from "./api.ts";
import { type Change, type Entry } from "../../src/room-log.ts";
import { Room } from "./log.ts";

const failure = (code: number, type: string, data?: unknown) => ({
  ok: false,
  error: { name: type, message: type, code, type, data },
});

/** What happens to an event on its way: numbers are milliseconds of delay. */
type Delivery = "lost" | number;

/** FakeApi with sockets, which speaks the protocol of docs/sockets.md, and loses or delays what a test says. */
export class FakeChat extends FakeApi {
  readonly io = new Server(this.server, { transports: ["websocket"] });
  /** The events that clients have sent, with their data. */
  readonly received: [username: string, event: string, data: any][] = [];
  /** Refusals of the next handshakes. */
  readonly refusals: ReturnType<typeof failure>["error"][] = [];
  /** Acknowledgements of the next events with this name: an error, or none. They are not handled. */
  readonly acks = new Map<string, any[]>();
  /** How an event of a room reaches a socket. */
  deliver: (entry: { event: string; seq?: number }, username: string) => Delivery = () => 0;
  /** The subscriptions of each socket, by their ids. */
  readonly subscriptions = new Map<string, Map<string, { event: string; params: object }>>();
  /** Called when a subscription has begun, before it is acknowledged. */
  onSubscribe = () => {};
  pageSize = 100;
  /** More than so many numbers are not resumed. */
  longest = 10_000;

  constructor() {
    super();
    this.rooms.set("lobby", new Room());
    this.io.use((socket, next) => {
      const refusal = this.refusals.shift();
      const user = this.verify(socket.handshake.auth.token);
      const error = refusal ?? ("code" in user ? user : undefined);
      if (error) return next(Object.assign(new Error(error.type), { data: error }));
      Object.assign(socket.data, user, { token: socket.handshake.auth.token });
      next();
    });
    this.io.on("connection", (socket) => this.#serve(socket));
    this.onEnd = (username) => this.endSessions(username, "AccessTokenRevoked");
  }

  override async stop() {
    await this.io.close();
    await super.stop().catch(() => {});
  }

  get lobby() {
    return this.rooms.get("lobby")!;
  }

  get sockets(): Socket[] {
    return [...this.io.sockets.sockets.values()];
  }

  /** Cuts the connections without a word, as a network does. */
  cut() {
    for (const socket of this.sockets) socket.conn.close();
  }

  refuse(code: number, type: string, data?: unknown) {
    this.refusals.push(failure(code, type, data).error);
  }

  override fail(event: string, ...acks: any[]) {
    if (event.startsWith("/")) super.fail(event, ...acks);
    else
      this.acks.set(
        event,
        acks.map((ack) => (typeof ack === "string" ? ack : failure(ack.code, ack.type, ack.data))),
      );
  }

  /** Ends the sessions of a user, as the gateway does. */
  endSessions(username: string, type: string, code = 401, data?: unknown) {
    for (const socket of this.sockets)
      if (socket.data.username === username) {
        socket.emit("session:end", failure(code, type, data).error);
        socket.disconnect(true);
      }
  }

  /** Sends an event to its subscribers. */
  announce(event: string, data: object) {
    this.#forSubscribers(event, (socket, id) =>
      socket.emit("event", { subscription: id, event, data }),
    );
  }

  /** Ends all subscriptions to an event. */
  endSubscriptions(event: string, type: string) {
    this.#forSubscribers(event, (socket, id) => {
      this.subscriptions.get(socket.id)?.delete(id);
      socket.emit("subscription:end", { id, error: failure(403, type).error });
    });
  }

  #forSubscribers(event: string, handle: (socket: Socket, id: string) => void) {
    for (const socket of this.sockets)
      for (const [id, one] of this.subscriptions.get(socket.id) ?? [])
        if (one.event === event) handle(socket, id);
  }

  /** The newest number, as the server repeats it. */
  head(roomId = "lobby") {
    this.#toRoom(roomId, "room:head", { roomId, seq: this.rooms.get(roomId)!.head });
  }

  write(text: string, roomId = "lobby", userId = "zoe") {
    return this.#publish(this.rooms.get(roomId)!, () =>
      this.rooms.get(roomId)!.send(text, { userId }),
    );
  }

  edit(messageSeq: number, text: string, roomId = "lobby") {
    return this.#publish(this.rooms.get(roomId)!, () =>
      this.rooms.get(roomId)!.edit(messageSeq, text),
    );
  }

  remove(messageSeq: number, roomId = "lobby") {
    return this.#publish(this.rooms.get(roomId)!, () => this.rooms.get(roomId)!.remove(messageSeq));
  }

  /** Sends the event of what `change` adds to the room. */
  #publish<T>(room: Room, change: () => T): T {
    const { head } = room;
    const result = change();
    for (const entry of room.live.slice(head)) this.#emit(entry);
    return result;
  }

  #emit({ type, ...entry }: Entry) {
    this.#toRoom(entry.roomId, type === "message" ? type : `message:${type}`, entry);
  }

  #toRoom(roomId: string, event: string, data: { roomId: string; seq?: number }) {
    for (const socket of this.sockets) {
      if (!socket.rooms.has(roomId)) continue;
      const delivery = this.deliver({ event, ...data }, socket.data.username);
      if (delivery === 0) socket.emit(event, data);
      else if (delivery !== "lost") setTimeout(() => socket.emit(event, data), delivery);
    }
  }

  #serve(socket: Socket) {
    void socket.join("lobby");
    const { username } = socket.data;
    const handle = (event: string, handler: (data: any) => unknown) =>
      socket.on(event, (data: any, ack: (value: unknown) => void) => {
        this.received.push([username, event, data]);
        const fault = this.acks.get(event)?.shift();
        if (fault === "lose") return;
        if (fault && fault !== "handle, then lose") return ack(fault);
        const user = this.verify(socket.data.token);
        const refused = "code" in user && event !== "auth:refresh";
        const value = refused ? failure(user.code, user.type) : handler(data);
        if (!fault)
          ack(refused || (value as any)?.ok === false ? value : { ok: true, data: value ?? null });
      });
    const room = ({ roomId = "lobby" }) => this.rooms.get(roomId);
    handle("auth:refresh", ({ token }) => {
      const user = this.verify(token);
      if ("code" in user) return failure(user.code, user.type);
      if (user.username !== username) return failure(403, "UserNotAuthorized");
      socket.data.token = token;
      return { exp: Math.floor(user.expiresAt / 1_000) };
    });
    handle("room:join", (data) => {
      const joined = room(data);
      if (!joined) return failure(404, "NotFound");
      void socket.join(joined.roomId);
      const { head } = joined;
      if (data.after === undefined) return { messages: [], changes: [], through: head, seq: head };
      if (head - data.after > this.longest) return failure(410, "TooFarBehind", { seq: head });
      return joined.page(data.after, this.pageSize);
    });
    handle("room:leave", ({ roomId }) => void socket.leave(roomId));
    handle("message", (data) => {
      if (data.text === "refuse me") return failure(403, "Blocked");
      const { clientId, replyTo, text } = data;
      return this.#publish(room(data)!, () =>
        room(data)!.send(text, { userId: username, clientId, replyTo: replyTo ?? null }),
      );
    });
    const changing = (event: string, change: (seq: number, data: any) => Change) =>
      handle(event, (data) => {
        const message = room(data)?.find(data.id);
        if (!message) return failure(404, "NotFound");
        this.#publish(room(data)!, () => change(message.seq, data));
        return room(data)!.find(data.id);
      });
    changing("message:edit", (seq, data) => room(data)!.edit(seq, data.text));
    changing("message:delete", (seq, data) => room(data)!.remove(seq));
    handle("typing", ({ roomId, typing }) =>
      this.#toRoom(roomId, "typing", { roomId, userId: username, username, typing } as {
        roomId: string;
      }),
    );
    const subscriptions = new Map<string, { event: string; params: object }>();
    this.subscriptions.set(socket.id, subscriptions);
    socket.on("disconnect", () => this.subscriptions.delete(socket.id));
    handle("subscribe", ({ event, params = {} }) => {
      const id = `${socket.id} ${subscriptions.size}`;
      subscriptions.set(id, { event, params });
      this.onSubscribe();
      return { id };
    });
    handle("unsubscribe", ({ id }) =>
      subscriptions.delete(id) ? undefined : failure(404, "NotFound"),
    );
    handle("read", ({ roomId, seq }) => {
      for (const one of this.sockets)
        if (one.data.username === username)
          one.emit("read", { roomId, userId: username, seq, unread: 0 });
    });
  }
}

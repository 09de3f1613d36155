import { Service, type ServiceBroker } from "moleculer";
import { configOf } from "../../lib/attachment.ts";
import { implement } from "../../mixins/contract.ts";
import { contract } from "./api.contract.ts";
import { type Gateways, httpGateway, socketGateway } from "./gateways.ts";
import { healthHandlers } from "./health.ts";
import { httpMethods, httpSettings, logAnswers } from "./http.ts";
import { requestMethods } from "./methods.ts";
import { confirm, senders, socketMethods, socketSettings } from "./sockets.ts";

/** Holds every connection, HTTP and Socket.IO on one port, and owns no data. */
export default class ApiService extends Service {
  constructor(broker: ServiceBroker) {
    super(broker);
    const { host, port, corsOrigins } = configOf(broker);
    const { toRoom, toAll, endSession } = senders(() => this as unknown as Gateways);

    this.parseServiceSchema(
      implement<typeof contract>(
        contract,
        {
          actions: {},
          events: {
            "chat.message": async (ctx) => toRoom(ctx.params.roomId, "message", ctx.params),
            "chat.announcement": async (ctx) => toAll("serverMessage", ctx.params),
            "session.revoked": async (ctx) => endSession(ctx.params.sid),
          },
        },
        {
          mixins: [httpGateway, socketGateway],
          settings: {
            ...httpSettings({ host, port, handlers: healthHandlers(this) }),
            io: socketSettings(corsOrigins),
            $secureSettings: ["routes", "io"],
          },
          methods: {
            ...httpMethods,
            ...requestMethods(corsOrigins),
            ...socketMethods(corsOrigins),
          },
          created: () => logAnswers(this as unknown as Service & Gateways),
          started: () => {
            const { io } = this as unknown as Gateways;
            io.of("/").on("connection", (socket) => void confirm(this, socket));
          },
        },
      ),
    );
  }
}

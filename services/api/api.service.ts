import { Service, type ServiceBroker } from "moleculer";
import { configOf, contractsOf } from "../../lib/context/attachment.ts";
import { revocationsOf } from "../../middlewares/auth/index.ts";
import { implement } from "../../lib/contract/implement.ts";
import { errorMethods } from "./http/responses/errors.ts";
import { contract } from "./api.contract.ts";
import { makeAdmissionCheck } from "./limits/admission.ts";
import { asyncApiHandlers } from "./docs/asyncapi.ts";
import { openApiHandlers } from "./docs/openapi.ts";
import { referencePageHandlers } from "./docs/reference-page.ts";
import { type Gateways, httpGateway, socketGateway } from "./gateways.ts";
import type { GraphQlConnections } from "./graphql/connections.ts";
import { graphQlHandlers, graphQlSockets } from "./graphql/index.ts";
import { guardRoutes, makeRouteGuard } from "./http/guarded-routes.ts";
import { healthHandlers } from "./http/health.ts";
import { homeHandlers } from "./docs/home.ts";
import { close } from "./http/server.ts";
import { httpSettings } from "./http/routes.ts";
import { logRequests } from "./http/request-log.ts";
import { Connections } from "./sockets/engine-connections.ts";
import { limitEngine } from "./sockets/engine-requests.ts";
import { ClientEvents } from "./sockets/client-events.ts";
import { ConcurrencyLimiter } from "./limits/concurrency.ts";
import { RateLimiter } from "./limits/rate-limiter.ts";
import { routesOf } from "../../lib/contract/load.ts";
import { requestMethods } from "./http/entry-point.ts";
import { shareCounts, receiveCounts } from "./limits/shared-counts.ts";
import { joinWrites } from "./sockets/joined-writes.ts";
import { limitEvents } from "./sockets/limits.ts";
import { socketMethods, socketSettings } from "./sockets/entry-point.ts";
import { confirm, endRevoked } from "./sockets/revocation.ts";
import { startRooms } from "./sockets/rooms/room-state.ts";
import { roomCheck, serverEventHandlers } from "./sockets/server-events.ts";
import { SocketSubscriptions } from "./sockets/subscriptions.ts";
import { Subscriptions } from "./subscriptions/subscriptions.ts";

const { limits } = contract;

/** The gateway: HTTP and Socket.IO on one port. It stores no data. */
export default class ApiService extends Service {
  constructor(broker: ServiceBroker) {
    super(broker);
    const config = configOf(broker);
    const { corsOrigins, issuer, guardedRoutes } = config;
    const contracts = contractsOf(broker);
    const routes = routesOf(contracts);
    const limiter = new RateLimiter(config.rateLimits, config.natsUrl !== undefined);
    const concurrency = new ConcurrencyLimiter({
      total: limits.runningCalls.max,
      address: limits.runningCallsOfAddress.max,
      waiting: limits.waitingCalls.max,
      unread: limits.unreadCharacters.max,
    });
    const guard = makeRouteGuard(this, { config, limiter });
    const graphQl = graphQlHandlers(this, { config, contracts, limiter, concurrency });
    const ownHandlers = {
      ...graphQl,
      ...healthHandlers(this),
      ...openApiHandlers(issuer, guardedRoutes),
      ...asyncApiHandlers(contracts, issuer),
      ...referencePageHandlers(),
      ...homeHandlers(),
    };
    const handlers = guardRoutes(ownHandlers, guardedRoutes, { guard, routes });
    const direct = Object.fromEntries(
      Object.entries(handlers).filter(([key]) => Object.hasOwn(graphQl, key)),
    );
    const admit = makeAdmissionCheck(config, limiter);
    const subscriptions = new Subscriptions(this, { whenChecked: roomCheck(this) });
    const clientEvents = new ClientEvents(this, new SocketSubscriptions(this, subscriptions));
    let graphQlConnections: GraphQlConnections | undefined;
    let stopSharing = () => {};
    let stopRooms = async () => {};
    const confirmSockets = () => {
      revocationsOf(broker).markOutdated();
      const { io } = this as unknown as Gateways;
      for (const socket of io.of("/").sockets.values()) void confirm(this, socket);
      graphQlConnections?.confirm();
    };

    const schema = implement<typeof contract>(
      contract,
      {
        actions: {},
        events: {
          "sessions.revoked": async (ctx) => {
            graphQlConnections?.endRevoked(ctx.params);
            await endRevoked(this as unknown as Gateways, ctx.params);
          },
          "gateway.consumed": async (ctx) => receiveCounts(limiter, ctx.params),
        },
      },
      {
        mixins: [httpGateway, socketGateway],
        settings: {
          ...httpSettings({ config, handlers, routes }),
          io: socketSettings(corsOrigins, clientEvents),
          $secureSettings: ["routes", "io"],
        },
        methods: {
          ...errorMethods,
          ...requestMethods({ config, routes, limiter, concurrency, admit, direct }),
          ...socketMethods(limiter),
        },
        created: () => logRequests(this as unknown as Service & Gateways),
        started: async () => {
          const { io, server } = this as unknown as Gateways;
          const connections = new Connections(config);
          limitEngine(io, connections, admit);
          joinWrites(io);
          stopRooms = startRooms(this as unknown as Service & Gateways);
          io.of("/").on("connection", (socket) => {
            limitEvents(this, socket, { limiter, clientEvents });
            void confirm(this, socket);
          });
          const sockets = { config, contracts, limiter, admit, subscriptions };
          graphQlConnections = await graphQlSockets(this, sockets, connections);
          graphQlConnections?.listen(server);
          stopSharing = shareCounts(this, limiter);
          // events about ended sessions and removed members may have been lost
          broker.localBus.on("$transporter.connected", confirmSockets);
        },
        stopped: async () => {
          broker.localBus.off("$transporter.connected", confirmSockets);
          stopSharing();
          await concurrency.whenIdle();
          graphQlConnections?.close();
          await close(this as Partial<Gateways>);
          await stopRooms();
        },
      },
    );
    this.parseServiceSchema({
      ...schema,
      events: {
        ...schema.events,
        ...serverEventHandlers(this),
        ...subscriptions.eventHandlers(),
      },
    });
  }
}

/** The subjects that a NATS user may use. NATS refuses all others. */
export interface NatsPermissions {
  publish: string[];
  subscribe: string[];
}

/**
 * The NATS permissions of a service's nodes on the sealed bus: send frames to every node, and receive the frames for all
 * nodes and for themselves. A node id is `<service>.<digest>`; the guard checks that the node belongs to this service. Frames
 * are encrypted, so NATS sees subjects only.
 *
 * @param namespace Moleculer's, not empty
 */
export function natsPermissions(service: string, namespace: string): NatsPermissions {
  const prefix = `MOL-${namespace}`;
  return {
    // nodes exchange frames even if their services may not call each other
    publish: [`${prefix}.SEAL`, `${prefix}.SEAL.>`],
    subscribe: [
      `${prefix}.SEAL`,
      `${prefix}.SEAL.${service}.*`,
      // replies of the NATS server (lib/nats/transporter.ts): no user may publish there
      `${prefix}.UNDELIVERED.${service}.>`,
    ],
  };
}

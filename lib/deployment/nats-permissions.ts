/** The subjects that a NATS user may use; all others are refused. */
export interface NatsPermissions {
  publish: string[];
  subscribe: string[];
}

/**
 * What a service's nodes need on NATS under the sealed bus, where a node is called `<service>.<digest>`: to send
 * frames to every node, and to receive what is for all nodes and for themselves. Whether a node is of the service
 * that its id names is for the guard to check, and what is in a frame is sealed: NATS sees subjects only.
 *
 * @param namespace the broker's, not empty
 */
export function natsPermissions(service: string, namespace: string): NatsPermissions {
  const prefix = `MOL-${namespace}`;
  return {
    // all nodes send each other frames, whatever their services may call
    publish: [`${prefix}.SEAL`, `${prefix}.SEAL.>`],
    subscribe: [
      `${prefix}.SEAL`,
      `${prefix}.SEAL.${service}.*`,
      // the server's own replies (lib/nats/transporter.ts): nobody may publish there
      `${prefix}.UNDELIVERED.${service}.>`,
    ],
  };
}

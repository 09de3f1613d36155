import type { ServiceBroker } from "moleculer";

interface Registry {
  readonly actions: { get(name: string): { readonly endpoints: { readonly id: string }[] } | null };
}

/** The nodes that run an action. */
export function nodesWith({ registry }: ServiceBroker, action: string): string[] {
  const list = (registry as unknown as Registry).actions.get(action);
  return (list?.endpoints ?? []).map(({ id }) => id);
}

/** Calls a function when services may have started or stopped on some node. @returns ends that */
export function onNodesChanged({ localBus }: ServiceBroker, changed: () => void): () => void {
  const events = ["$services.changed", "$node.disconnected"];
  for (const event of events) localBus.on(event, changed);
  return () => {
    for (const event of events) localBus.off(event, changed);
  };
}

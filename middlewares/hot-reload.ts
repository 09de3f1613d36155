import { type FSWatcher, watch } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve, sep } from "node:path";
import type { Service, ServiceBroker } from "moleculer";
import { SERVICES_DIR } from "../lib/contracts.ts";

const { cache } = createRequire(import.meta.url);

/** Moleculer's types leave it out. */
type Loaded = Service & { readonly __filename?: string };

/** Editors write a file in several steps, in milliseconds. */
const SETTLED = 200;

/**
 * Goes with Moleculer's HotReload, which forgets a service whose file could not be loaded, takes the file that was
 * corrected for a service, and ends the process by that. A service that failed is loaded again when a file of its
 * folder changes.
 */
export function hotReloadRecovery() {
  const failed = new Set<string>();
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;

  const retry = (broker: ServiceBroker) => {
    for (const file of failed) {
      const folder = dirname(file) + sep;
      for (const name of Object.keys(cache)) if (name.startsWith(folder)) delete cache[name];
      broker.loadService(file);
    }
  };

  return {
    name: "HotReloadRecovery",

    created(broker: ServiceBroker) {
      const load = broker.loadService.bind(broker);
      broker.loadService = (path) => {
        // a mistake at the start ends it, as it does without hot reload
        if (!broker.started) return load(path);
        const file = resolve(path);
        const loaded = (broker.services as Loaded[]).find(({ __filename: of }) => of === file);
        if (loaded || !file.endsWith(".service.ts")) return loaded as Service;
        try {
          const service = load(file);
          failed.delete(file);
          return service;
        } catch {
          // Moleculer has logged the error
          failed.add(file);
          broker.logger.error(
            `${basename(file)} is not loaded. Correct the mistake and save: it is tried again.`,
          );
          return undefined as unknown as Service;
        }
      };
    },

    started(broker: ServiceBroker) {
      watcher = watch(SERVICES_DIR, { recursive: true }, (_event, name) => {
        if (name?.endsWith(".contract.ts"))
          broker.logger.warn(
            `${join("services", name)} changed: routes and /openapi.json follow after a restart.`,
          );
        if (failed.size === 0) return;
        clearTimeout(timer);
        timer = setTimeout(() => retry(broker), SETTLED);
      });
    },

    stopped() {
      clearTimeout(timer);
      watcher?.close();
    },
  };
}

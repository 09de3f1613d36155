import { type FSWatcher, readdirSync, watch } from "node:fs";
import { join, relative } from "node:path";
import { DEFINITION_FILE } from "../../lib/access/permission-definition.ts";

/** Editors and git write in several steps: a change is complete after this time without another one, in milliseconds. */
const SETTLE_TIME = 150;

/** Files that a node loads, and names without an extension, which are folders. Not the drafts of editors. */
const isCode = (name: string) =>
  // the node itself writes it
  name !== DEFINITION_FILE && /^[^.][^~#]*\.(ts|js|json)$|^[^.]+$/.test(name);

export interface Watched {
  root: string;
  /** Folders below `root`, with all of their subfolders. */
  folders: readonly string[];
  /** Single files in `root` itself. */
  files: readonly string[];
}

/**
 * Watches code, with a watcher for each folder. A watcher for each file would miss changes, since a save by rename replaces
 * the file.
 */
export class CodeWatcher {
  readonly #watched: Watched;
  readonly #names = new Set<string>();
  #watchers: FSWatcher[] = [];
  #timer: NodeJS.Timeout | undefined;
  #settled: ((names: string[]) => void) | undefined;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  /**
   * Watches the folders that exist now. Call it before the code is read, so that no later change is missed.
   *
   * @returns the names of the files in the next change, once it is complete
   */
  next(): Promise<string[]> {
    this.close();
    const { root, folders, files } = this.#watched;
    this.#watch(root, (name) => files.includes(name));
    for (const folder of folders) this.#watchTree(join(root, folder));
    return new Promise((resolve) => {
      this.#settled = resolve;
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#names.clear();
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  #watchTree(folder: string): void {
    this.#watch(folder, isCode);
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) this.#watchTree(join(folder, entry.name));
  }

  #watch(folder: string, concerns: (name: string) => boolean): void {
    const watcher = watch(folder, (_event, name) => {
      if (name !== null && !concerns(name)) return;
      this.#names.add(relative(this.#watched.root, join(folder, name ?? "")));
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#settled?.([...this.#names]), SETTLE_TIME);
    });
    this.#watchers.push(watcher);
  }
}

// Loaded before anything else. An older Node must be able to parse it: plain CommonJS, nothing newer than ES5.
"use strict";

var MINIMUM = 24;

if (Number(process.versions.node.split(".")[0]) < MINIMUM) {
  console.error(
    "Node.js " +
      MINIMUM +
      " or newer is needed, and this is " +
      process.versions.node +
      ": install it from https://nodejs.org, or run 'npm ci' without --omit=dev and --ignore-scripts, which brings it along.",
  );
  process.exit(1);
}

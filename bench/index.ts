// `npm run bench`. With `-- --quick` it is shorter, and its figures are less exact.

await import("./login.ts");
console.log();
await import("./bus.ts");

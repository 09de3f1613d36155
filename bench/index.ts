// `npm run bench`, and with `-- --quick` a shorter one whose figures say less.

await import("./login.ts");
console.log();
await import("./bus.ts");

const SERVICE_NAME = /^[A-Za-z][\w.-]{0,62}$/;

/** @throws Error for an invalid name of a service */
export function checkServiceName(name: string): void {
  if (!SERVICE_NAME.test(name)) throw new Error(`No service can be called '${name}'.`);
}

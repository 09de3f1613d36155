/** The environment variable that holds a service's credential: `USERS_AUTH_TOKEN`. */
export const credentialVariable = (service: string): string =>
  `${service.replace(/\W/g, "_").toUpperCase()}_AUTH_TOKEN`;

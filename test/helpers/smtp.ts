import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";

/** A mail that a server has accepted. */
export interface AcceptedMail {
  to: string[];
  isSecure: boolean;
  source: string;
}

/** Starts an SMTP server that records the mails it accepts. */
export async function startSmtpServer(
  port = 0,
  options: SMTPServerOptions = { disabledCommands: ["STARTTLS"] },
) {
  const received: AcceptedMail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    logger: false,
    closeTimeout: 100,
    ...options,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const to = session.envelope.rcptTo.map(({ address }) => address);
        const source = Buffer.concat(chunks).toString();
        received.push({ to, isSecure: session.secure, source });
        done();
      });
    },
  });
  server.on("error", () => undefined);
  await once(server.listen(port, "127.0.0.1"), "listening");
  const { port: bound } = server.server.address() as AddressInfo;
  return {
    port: bound,
    received,
    stop: () => new Promise<void>((resolve) => server.close(resolve)),
  };
}

import { audit } from "../../../middlewares/audit.ts";
import { partyOf } from "../accounts/account-audit.ts";
import type { Components, UsersJobs } from "../components.ts";

/** The jobs that send mails. */
export function mailJobs(
  components: Components<"accounts" | "mails">,
): UsersJobs<"sendLink" | "sendResetLink" | "sendNotice"> {
  return {
    sendLink: (ctx) => components().mails.sendLink(ctx.params.id),

    sendResetLink: async (ctx) => {
      const { accounts, mails } = components();
      const { email, client } = ctx.params;
      const account = await accounts.findByEmail(email);
      if (ctx.job.attempt === 1) {
        // the entry has the client that requested the link
        if (client) Object.assign(ctx.meta, { client });
        audit(ctx, {
          event: "password.forgotten",
          actor: {},
          subject: account ? partyOf(account) : {},
        });
      }
      await mails.sendResetLink(account, email, ctx.job.id);
    },

    sendNotice: (ctx) => components().mails.sendNotice(ctx.params),
  };
}

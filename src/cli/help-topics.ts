import { ADDRESS, COMMON, EXIT_CODES } from "./help-parts.js";

export const SUBSCRIBE = `Prints what the server at ADDRESS publishes on the topics that PATTERN means, until the server closes.

Usage: earshot subscribe ADDRESS PATTERN [options]

${ADDRESS}
PATTERN is a topic such as jobs.17.done, where * stands for any one token and > at the end for one or more: 'jobs.*.done',
'jobs.>', '>' for everything. Quote it: the shell has its own use for both.

Options:
  --replay N              begin with the last N messages of each topic, as far as the server keeps them; default 0
  --count N               end after N messages
  --slow drop|disconnect|wait  when messages come faster than they are taken: lose the oldest (default), be cut off, or hold
                          back whoever publishes
  --timeout-ms N          how long the server may take to let this side in; default 5000
  --max-message-bytes N   the largest message that is taken; default 67108864
  --quiet                 do not say how many messages had no place
${COMMON}

Text gets a newline if it does not end in one. With --json each message is a line such as
  {"topic":"jobs.17.done","bytes":2,"text":"ok"}
with "base64" instead of "text" if it is not UTF-8, "replayed":true if it was published before, and "dropped":N if N
messages before it had no place. A signal ends it as usual (130 for SIGINT, 143 for SIGTERM in a shell).

Examples:
  earshot subscribe app '>' --json | jq .topic
  first=$(earshot subscribe app 'jobs.*.done' --count 1)
  tail -f app.log | earshot listen log --publish lines

${EXIT_CODES}
`;

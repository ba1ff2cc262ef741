import { ADDRESS, COMMON, EXIT_CODES } from "./help-parts.js";

export const POST = `Keeps a message on disk until the server at ADDRESS has acknowledged it, and delivers it.

Usage: earshot post ADDRESS [MESSAGE] --outbox DIR [options]

${ADDRESS}
MESSAGE is a text; without it, all of standard input is the message. It needs the package lmdb: npm install lmdb.

DIR is where messages are kept, and is made if it is not there. Several processes may use it; one of them delivers for
all. What is not delivered when the time is over stays there, and leaves with the next one that delivers from DIR.

Options:
  --outbox DIR            where it is kept
  --id ID                 what it is known by; one that is there already is not kept twice
  --key KEY               those of the same key are delivered in the order in which they were posted
  --header NAME=VALUE     goes with the message; may be there several times
  --expires-ms N          it is a dead letter if it is not delivered by then
  --delay-ms N            it is held back so long
  --durability process|power  kept through the end of this process (default), or of the machine
  --no-wait               do not deliver: leave that to another process
  --timeout-ms N          how long to wait for the delivery; default 5000, 0 for no limit
  --quiet                 nothing on standard output
${COMMON}

Prints the id, and "delivered" or "kept"; both are exit code 0. With --json: {"ok":true,"id":"...","delivered":true}. When
it has become a dead letter, the exit code is that of the reason.

Examples:
  earshot post orders '{"item":7}' --outbox ~/.local/state/orders --key customer-12
  make report | earshot post /run/app.sock --outbox /var/lib/app/outbox --no-wait

${EXIT_CODES}
`;

export const OUTBOX = `Shows what an outbox holds, and decides on its dead letters.

Usage:
  earshot outbox list DIR             all messages: pending ones, then dead letters
  earshot outbox show DIR ID          one of them, with its content
  earshot outbox retry DIR ID         a dead letter is delivered anew, behind all others; --all for all of them
  earshot outbox drop DIR ID          a dead letter is removed for good; --all for all of them
  earshot outbox stats DIR            how many there are, and their bytes

DIR is the directory of an outbox, which other processes may have open. It needs the package lmdb: npm install lmdb.

Options:
  --all                   all dead letters
  --quiet                 retry, drop: nothing on standard output
  --json                  results on standard output and errors on standard error as JSON, one object per line
  -h, --help              this text

Examples:
  earshot outbox list /var/lib/app/outbox --json | jq 'select(.state == "dead") | .reason'
  earshot outbox retry /var/lib/app/outbox --all

${EXIT_CODES}
`;

import { Exit, type ExitCode } from "./exit-codes.js";
import { BENCH } from "./help-bench.js";
import { CALL, COMPLETION, DESCRIBE } from "./help-contract.js";
import { OUTBOX, POST } from "./help-outbox.js";
import { ADDRESS, COMMON, EXIT_CODES } from "./help-parts.js";
import { SUBSCRIBE } from "./help-topics.js";
import { write } from "./output.js";

export const GENERAL_HELP = `Messages between programs on one machine, over Unix domain sockets.

Usage:
  earshot listen ADDRESS [--echo | --reply TEXT | --exec CMD]   print the messages that come, and answer them
  earshot send ADDRESS [MESSAGE]                                send one, print the reply
  earshot subscribe ADDRESS PATTERN                             print what is published there on the topics of a pattern
  earshot ping ADDRESS                                          is a server there, and how far away?
  earshot bench [ADDRESS]                                       how fast is this machine, or a server?
  earshot doctor ADDRESS                                        what is there, what is wrong, and what to do?
  earshot describe ADDRESS                                      which procedures does the contract there have?
  earshot call ADDRESS PROCEDURE [JSON|-]                       call one, print its output
  earshot post ADDRESS [MESSAGE] --outbox DIR                   keep one on disk until it is acknowledged
  earshot outbox list|show|retry|drop|stats DIR                 what is kept there, and what could not be delivered
  earshot completion bash|zsh|fish                              what makes the Tab key know all this
  earshot --version
  earshot COMMAND --help

${ADDRESS}

Try it, in two terminals:
  earshot listen demo --echo
  earshot send demo 'hello'

${EXIT_CODES}
`;

const LISTEN = `Prints every message that comes to ADDRESS on standard output, and acknowledges it.

Usage: earshot listen ADDRESS [--echo | --reply TEXT | --exec CMD] [options]

${ADDRESS}
systemd: is the socket that the service manager has opened for this process, systemd:NAME one of several.

The reply, which is empty unless one of these is given:
  --echo                  the message itself
  --reply TEXT            always this text
  --exec CMD              what CMD, run by sh for each message, prints; it finds the message on its standard input.
                          If it fails, so does the message: its sender is told the exit code and its last line of
                          errors, also when a part of the reply, or not yet all of the message, has gone through

Messages and replies go through as they come and may have any size: nobody is sent more than is read. The plain wire has
no word for failure: there the first 65536 bytes of a reply of --echo or --exec wait for its end.

Options:
  --output FILE|DIR|-     where messages go: - is standard output (default). A FILE is made if it is not there, and each
                          message added to it as to standard output. In a DIR, which is there or ends in / and then is
                          made, each message gets a file, byte for byte; names sort as the messages came, and a file
                          has its name when it is complete (until then it is hidden, .NAME.part)
  --wire auto|plain|framed  what to understand: both (default), one message per connection, or earshot's own frames
  --publish TOPIC         publish each line of standard input to those who run earshot subscribe, and end with it
  --once                  end after the first message that was handled; later ones are refused
  --take-over             if a server is there already, go on with its socket: no caller is refused, and it leaves
  --idle-exit-ms N        end when nobody has been connected for so long; nobody who calls at that instant is dropped
  --mode OCTAL            permissions of the socket file, default 600: this user alone
  --max-message-bytes N   the largest message, and the largest reply of CMD; default no limit, with --json 67108864
  --timeout-ms N          end CMD when it takes longer, and fail the message; default no limit
  --quiet                 write the messages, but neither log nor "listening on": only an error that ends it
${COMMON}

"listening on unix:PATH" on standard error says that it is ready. A message that is text gets a newline if it does not
end in one; any other comes byte for byte. With --json each is a line such as
  {"peer":1,"wire":"framed","bytes":5,"text":"hello"}
with "base64" instead of "text" if it is not UTF-8; for that it must be whole, and fit memory.

A message is acknowledged when it is written, and answered. One that cannot be written fails, and its sender is told.
On standard output and in a FILE there is one message at a time: while one comes slowly, or CMD does not read it, the
others are held back at their senders; in a DIR they do not wait for each other. Of a message that breaks off, what had
come stays on standard output and in a FILE, and no file is left in a DIR; the log says so.

SIGINT, SIGTERM and SIGHUP let what is in hand finish, for ten seconds at most, remove the file, and end with exit code
0; a second one ends at once. When the reader of standard output goes away, it ends in the same way.

Examples:
  earshot listen demo --echo
  earshot listen /run/user/1000/log.sock --output messages.txt
  earshot listen inbox --output inbox/
  earshot listen ./sort.sock --exec sort --timeout-ms 5000
  message=$(earshot listen demo --once --quiet)
  earshot listen demo --json | jq .text

${EXIT_CODES}
`;

const SEND = `Sends a message to the server at ADDRESS, and prints the reply when it was handled.

Usage: earshot send ADDRESS [MESSAGE] [options]

${ADDRESS}
MESSAGE is a text; without it, all of standard input is sent, of any size and as it comes (from a terminal: when it has
ended). The reply is printed as it comes. A message that begins with - goes after --.

Options:
  --wire framed|plain     framed (default) is earshot's own; plain is for any server that reads to the end of input,
                          whose closing of the connection counts as acknowledgement, and as an empty reply
  --timeout-ms N          give up after so long, all of the message and the reply included, from when there is
                          something to send; default 5000 to connect, then no limit
  --retry unsent|idempotent  wait for a server instead of failing without one, for --timeout-ms at most; "unsent" sends
                          again only what surely nobody has handled, "idempotent" also what may have been, with an id by
                          which the server knows it. What comes from standard input bit by bit is sent once
  --id ID                 what the message is known by: a server that has handled it repeats the reply it gave then
  --start CMD             if no server is there, start one: CMD, run by sh, goes on after this command has ended. What
                          it prints is in .NAME.log beside the socket. Of several callers one starts it, and all
                          wait until it answers, for 10 seconds or --timeout-ms
  --max-message-bytes N   the largest reply, and the largest message from standard input; default no limit, but 67108864
                          for a reply with --json and for what is typed
  --quiet                 nothing on standard error but errors
${COMMON}

The reply goes to standard output as it is, without a newline of its own unless that is a terminal. With --json it is
  {"ok":true,"bytes":5,"reply":"hello"}
with "base64" instead of "reply" if it is not UTF-8, and an error is
  {"ok":false,"code":"HANDLER_FAILED","message":"...","delivery":"unknown","remoteCode":"..."}
where "delivery" is "unsent" if sending it again is safe. A signal ends it as usual (130 for SIGINT, 143 for SIGTERM in
a shell), and the server's handler is told. What breaks off in the middle has failed, and what was printed of the reply
is a part of it; only on the plain wire nobody can tell that from an end.

Examples:
  earshot send demo 'hello'
  earshot send /run/user/1000/log.sock < report.pdf
  tar c music | earshot send backup
  earshot send upper hello --start "earshot listen upper --exec 'tr a-z A-Z' --idle-exit-ms 60000"
  date | earshot send demo --timeout-ms 1000 || echo "not sent: $?"
  earshot send jobs 'work' --retry idempotent --timeout-ms 60000

${EXIT_CODES}
`;

const PING = `Asks the server at ADDRESS for a sign of life; its handler is not involved.

Usage: earshot ping ADDRESS [options]

${ADDRESS}

Options:
  --timeout-ms N          give up after so long, connecting included; default 5000, 0 for no limit
  --quiet                 no "pong": the exit code tells
${COMMON}

Prints "pong from unix:PATH in 0.42 ms", with the name and version of the server's application if it says. With --json:
  {"ok":true,"address":"unix:/run/app.sock","roundTripMs":0.42,"app":{"name":"app","version":"1.0.0"}}
A server that speaks only the plain wire has no answer to this.

Examples:
  earshot ping demo
  until earshot ping demo --quiet 2> /dev/null; do sleep 0.1; done

${EXIT_CODES}
`;

const DOCTOR = `Finds out why a server can or cannot be reached, or listen, at ADDRESS, and says what to do.

Usage: earshot doctor ADDRESS [options]

${ADDRESS}

It looks at the path and its length, what is there, its mode and owner and those of its directory, and what killed
servers have left; who listens and since when, whether this user may connect, and how the server answers a ping; and
what this machine and installation can do. It creates and removes nothing.

Options:
  --wire framed|plain     plain sends no ping (default framed): a server that takes only the plain wire handles what a
                          ping begins with as a message
  --timeout-ms N          how long a server may take for each answer; default 1000
  --quiet                 nothing: the exit code tells
${COMMON}

What it finds begins with "!" where it stands in the way, and with "-" where it is worth knowing. Exit code 0 means that
a server answers there, 3 that there is none and the way is free, 4 that something is in the way. With --json all of it
is one object, whose "state" is live, busy, free, stale, forbidden, blocked or unusable.

Examples:
  earshot doctor demo
  earshot doctor /run/user/1000/app.sock --json | jq .findings
  earshot doctor /run/docker.sock --wire plain

${EXIT_CODES}
`;

const HELP = {
  listen: LISTEN,
  send: SEND,
  subscribe: SUBSCRIBE,
  ping: PING,
  bench: BENCH,
  doctor: DOCTOR,
  describe: DESCRIBE,
  call: CALL,
  post: POST,
  outbox: OUTBOX,
  completion: COMPLETION,
} as const;

export type CommandName = keyof typeof HELP;

export const COMMAND_NAMES = Object.keys(HELP);

/** What there is to say about a command, or in general. */
export function helpOf(command: string | undefined): string | undefined {
  return command === undefined ? GENERAL_HELP : new Map<string, string>(Object.entries(HELP)).get(command);
}

export async function showHelp(command?: CommandName): Promise<ExitCode> {
  await write(process.stdout, command === undefined ? GENERAL_HELP : HELP[command]);
  return Exit.OK;
}

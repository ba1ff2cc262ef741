import { ADDRESS, COMMON, EXIT_CODES } from "./help-parts.js";

export const DESCRIBE = `Prints the contract that is served at ADDRESS: its procedures, what they take and what they give.

Usage: earshot describe ADDRESS [options]

${ADDRESS}

Options:
  --timeout-ms N          give up after so long, connecting included; default 5000, 0 for no limit
  --quiet                 nothing on standard error but errors
${COMMON}

Each procedure has its kind: unary (one call, one output), server stream, client stream, or bidirectional; then what
it has of: "input", the argument of a call; "accepts", each item that the caller streams; "output"; "yields", each item
that the server streams; and "error", those that it may fail with. With --json all of it is one object, with JSON
Schemas:
  {"ok":true,"name":"weather","version":"1.4.0","codecs":["msgpack","json"],"procedures":[{"name":"forecast",...}]}
A server without a contract ends it with exit code 1: it takes messages (earshot send).

Examples:
  earshot describe weather
  earshot describe weather --json | jq '.procedures[].name'

${EXIT_CODES}
`;

export const CALL = `Calls a procedure of the contract that is served at ADDRESS, and prints its output.

Usage: earshot call ADDRESS PROCEDURE [JSON|-] [options]

${ADDRESS}
PROCEDURE is a full name, such as admin.users.list: earshot describe ADDRESS tells which there are.

The input is the argument; without one, or with -, it is standard input, of which no bytes are no input. Items that the
procedure accepts come on standard input, one a line, and go as they come; an input is the argument then. What begins
with - goes after --. Where describe says "string", a text needs no JSON quotes unless it begins with one.

Output is one line of JSON, or several on a terminal; items that the server streams are one line each, as they come. Who
reads slowly holds back the server, and a server that reads slowly standard input.

Options:
  --header NAME=VALUE     goes with the call, for example for tracing; may be there several times
  --timeout-ms N          give up after so long, all items included, but not the time to type an input; default 5000 to
                          connect and find the procedure, then no limit
  --max-message-bytes N   the largest input, line of standard input, output and item; default 67108864
  --quiet                 nothing on standard error but errors
${COMMON}

With --json an output is {"ok":true,"output":...}, an item {"item":...}, and the end of items {"ok":true,"items":2}.
An error is
  {"ok":false,"code":"PROCEDURE_FAILED","message":"...","remoteCode":"UnknownCity","procedure":"forecast","data":{...}}
with "issues" where the input is not valid. Without --json the data, and issues with their paths, are lines of their
own.

What JSON has no word for is an object with one key, in outputs as in inputs and items:
  {"$date":"2026-01-31T12:00:00.000Z"}   {"$bigint":"12345678901234567890"}   {"$number":"NaN"} (or Infinity, -0, ...)
  {"$map":[[key,value],...]}   {"$set":[value,...]}   {"$bytes":"aGVsbG8="} (base64)   {"$Float64Array":[1.5,2]}
  {"$error":{"name":"Error","message":"..."}}   {"$undefined":true}
and an object that has such a key of its own is {"$object":{"$date":...}}. Other texts are texts, dates among them too.

Ctrl-C (SIGINT), SIGTERM and SIGHUP cancel the call: its handler is told, and then the signal ends this as usual (130
and 143 in a shell); a second one does not wait for the server. When the reader of standard output goes away, the call
is cancelled too, and the exit code is 0. A line that is no JSON cancels it with exit code 1.

Examples:
  earshot call weather forecast '{"city":"Riga"}'
  earshot call weather watch Riga | jq .celsius
  earshot call weather forecast - < query.json
  jq -c '.readings[]' log.json | earshot call weather upload
  earshot call weather admin.users.list --header traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01

${EXIT_CODES}
`;

export const COMPLETION = `Prints a script that makes the Tab key complete commands, options, sockets and procedures.

Usage: earshot completion bash|zsh|fish

Options:
  -h, --help              this text

Addresses are the bare names in your runtime directory, or files; procedures are what a server at ADDRESS says within
half a second.

Examples:
  source <(earshot completion bash)                                      # this shell; in ~/.bashrc all of them
  earshot completion bash > ~/.local/share/bash-completion/completions/earshot
  source <(earshot completion zsh)                                       # in ~/.zshrc, after compinit
  earshot completion fish > ~/.config/fish/completions/earshot.fish

${EXIT_CODES}
`;

import { ADDRESS, COMMON, EXIT_CODES } from "./help-parts.js";

export const BENCH = `Measures how fast messages are on this machine, or how fast the server at ADDRESS is.

Usage: earshot bench [ADDRESS] [options]

${ADDRESS}
Without it, a server of its own is started, and ended with it. A message of up to 1024 bytes comes back from there, a larger
one is acknowledged; unless --bytes or --in-flight says otherwise, three things are measured: 64 bytes, one after the other;
the same, 256 at a time; and 1 MiB, 8 at a time.

With ADDRESS it pings the server, whose handler is not involved, unless there are --bytes: then its handler gets messages of
the letter x, and whatever it does with them is a part of what is measured.

Options:
  --bytes N               send messages of so many bytes, at most 1073741824
  --in-flight N           how many are under way at a time, at most 65536; default 1
  --seconds N             how long to measure each; default 2. Before that comes a moment to get warm
  --lane auto|socket|shared  by which way messages go, on this side and on that of a server of its own: as the option of
                          listen and dial
  --timeout-ms N          give up when nothing comes back for so long; default 5000, 0 for no limit
${COMMON}

Prints how often each latency was there, percentiles, and how many there were in a second. Ctrl-C (SIGINT) ends it early,
and it prints what there is. With --json, a line for each measurement:
  {"ok":true,"address":"unix:/run/app.sock","what":"message","bytes":64,"inFlight":1,"seconds":2,"count":...,
   "perSecond":...,"bytesPerSecond":...,"latencyUs":{"min":...,"p50":...,"p90":...,"p99":...,"p999":...,"max":...},
   "histogramUs":[[microseconds,count],...]}

Examples:
  earshot bench
  earshot bench app
  earshot bench app --bytes 1000 --in-flight 32 --seconds 10
  earshot bench --bytes 64 --json | jq .latencyUs.p99

${EXIT_CODES}
`;

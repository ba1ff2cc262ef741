import { EXIT_MEANINGS } from "./exit-codes.js";

export const ADDRESS = `ADDRESS is a path (/run/app.sock, ./app.sock, unix:/run/app.sock), a bare name such as chat for a socket
in your runtime directory, or unix:@name for an abstract name (Linux, Node 22 or later).`;

export const COMMON = `  --json                  results on standard output and errors on standard error as JSON, one object per line
  --verbose               also log what happens, on standard error
  -h, --help              this text`;

export const EXIT_CODES = `Exit codes:
${Object.entries(EXIT_MEANINGS)
  .map(([code, meaning]) => `  ${code}  ${meaning}`)
  .join("\n")}`;

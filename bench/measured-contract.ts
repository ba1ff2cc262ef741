import { contract, procedure, type } from "earshot/contract";
import { z } from "zod";

/** What bench/contract.ts calls. */
export const measured = contract("measured", "1.0.0", {
  bytes: procedure({ input: type<Uint8Array>(), output: type<Uint8Array>() }),
  text: procedure({ input: type<string>(), output: type<string>() }),
  later: procedure({ input: type<string>(), output: type<string>() }),
  checked: procedure({
    input: z.object({ city: z.string() }),
    output: z.object({ city: z.string(), celsius: z.number() }),
  }),
  items: procedure({ input: type<number>(), yields: type<string>() }),
  asyncItems: procedure({ input: type<number>(), yields: type<string>() }),
  upload: procedure({ accepts: type<string>(), output: type<number>() }),
});

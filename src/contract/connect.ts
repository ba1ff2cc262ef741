import type { Contract } from "./contract.js";
import type { Api } from "./types.js";
export declare function connect<C extends Contract>(address: string, contract: C, options?: {}): Promise<Api<C>>;

import type { Server } from "../peer/server.js";
import type { Contract } from "./contract.js";
import type { AddedBy, Middleware } from "./middleware.js";
import type { Handlers } from "./types.js";
export interface ServeOptions<M extends readonly Middleware[] = readonly Middleware[]> { readonly middleware?: M }
export declare function serve<C extends Contract, const M extends readonly Middleware[] = []>(
  address: string, contract: C, handlers: Handlers<C, AddedBy<M>>, options?: ServeOptions<M>): Promise<Server>;

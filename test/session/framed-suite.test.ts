import { makeFramed } from "./pair.js";
import { testSession } from "./suite.js";

testSession("framed", makeFramed);

import { makeFramed } from "./pair.js";
import { testSession } from "./suite.js";
import { testSessionTimes } from "./suite-times.js";

testSession("framed", makeFramed);
testSessionTimes("framed", makeFramed);

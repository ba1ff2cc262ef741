import { makeFramed } from "./pair.js";
import { testSession } from "./suite.js";
import { testSessionStreams } from "./suite-streams.js";
import { testSessionStreamsLost } from "./suite-streams-lost.js";
import { testSessionTimes } from "./suite-times.js";

testSession("framed", makeFramed);
testSessionTimes("framed", makeFramed);
testSessionStreams("framed", makeFramed);
testSessionStreamsLost("framed", makeFramed);

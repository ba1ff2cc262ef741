// Builds the native addon where no prebuilt one fits. Without a compiler earshot works all the same, over node:net.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

function isLoadable() {
  try {
    require("node-gyp-build")(new URL("..", import.meta.url).pathname);
    return true;
  } catch {
    return false;
  }
}

if (process.platform === "linux") {
  const { status } = spawnSync(process.execPath, [require.resolve("node-gyp-build/bin.js")], { stdio: "inherit" });
  if (status !== 0 || !isLoadable()) {
    console.warn(
      "earshot: the native addon is not built (see above); is there a C compiler, make and python3? Without it, earshot " +
        "works over node:net: slower, and with neither credentials nor descriptors. `npm rebuild earshot` tries again.",
    );
  }
}

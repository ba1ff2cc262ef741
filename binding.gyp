{
  "targets": [
    {
      "target_name": "earshot",
      "conditions": [
        [
          "OS=='linux'",
          {
            "sources": ["src/native/earshot.c", "src/native/view.c"],
            "defines": ["NAPI_VERSION=8", "_GNU_SOURCE"],
            "cflags": ["-std=c11", "-Wall", "-Wextra", "-fvisibility=hidden"],
            "ldflags": ["-Wl,-z,nodelete"]
          },
          { "type": "none" }
        ]
      ]
    }
  ]
}

{
  "targets": [
    {
      "target_name": "earshot",
      "conditions": [
        [
          "OS=='linux'",
          {
            "sources": ["src/native/earshot.c"],
            "defines": ["NAPI_VERSION=8", "_GNU_SOURCE"],
            "cflags": ["-std=c11", "-Wall", "-Wextra", "-fvisibility=hidden"]
          },
          { "type": "none" }
        ]
      ]
    }
  ]
}

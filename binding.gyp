{
  "variables": {
    "package_version": "<!(node -p \"require('./package.json').version\")"
  },
  "targets": [
    {
      "target_name": "bulwark",
      "sources": [
        "<!@(node -p \"const s = require('./native/sources.json'); [...s.engine, ...s.cudaAbsent, ...s.addon].map((f) => 'native/' + f).join(' ')\")"
      ],
      "include_dirs": [
        "native",
        "<!(node -p \"require('path').resolve(require('node-api-headers').include_dir)\")",
        "<!(node -p \"require('path').resolve(require('node-addon-api').include_dir)\")"
      ],
      "defines": [
        "BULWARK_VERSION=\"<(package_version)\"",
        "NAPI_VERSION=8",
        "NODE_ADDON_API_CPP_EXCEPTIONS",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags!": ["-O2"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": [
        "-std=c++20",
        "-O3",
        "-Wall",
        "-Wextra",
        "-fno-math-errno",
        "-fno-trapping-math",
        "-fvisibility=hidden",
        "-fvisibility-inlines-hidden"
      ],
      "conditions": [
        [
          "OS=='linux'",
          {
            "ldflags": ["-static-libgcc", "-static-libstdc++", "-Wl,--exclude-libs,ALL"],
            "libraries": ["-lpthread"]
          }
        ]
      ],
      "xcode_settings": {
        "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
        "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
        "GCC_ENABLE_CPP_RTTI": "YES",
        "GCC_OPTIMIZATION_LEVEL": "3",
        "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
        "MACOSX_DEPLOYMENT_TARGET": "11.0",
        "OTHER_CPLUSPLUSFLAGS": ["-fno-math-errno", "-fno-trapping-math"]
      },
      "msvs_settings": {
        "VCCLCompilerTool": { "ExceptionHandling": 1, "AdditionalOptions": ["/std:c++20", "/utf-8"] }
      }
    }
  ]
}

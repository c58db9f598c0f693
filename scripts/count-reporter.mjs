/** A vitest reporter that counts test cases and remembers why tests were skipped. */
export class CountReporter {
  passed = 0;
  failed = 0;
  /** One entry for each skipped test: its name and, where given, the note of `ctx.skip(note)`. */
  skipped = [];

  onTestRunEnd(modules, unhandledErrors) {
    this.failed += unhandledErrors.length;
    for (const module of modules) {
      // A file that throws while loading holds no test case to count.
      this.failed += module.errors().length;
      for (const suite of module.children.allSuites()) this.failed += suite.errors().length;
      for (const test of module.children.allTests()) this.#count(module, test);
    }
  }

  #count(module, test) {
    const result = test.result();
    if (result.state === 'passed') this.passed += 1;
    else if (result.state === 'skipped') {
      const reason = result.note === undefined ? '' : `: ${result.note}`;
      this.skipped.push(`${module.relativeModuleId} > ${test.fullName}${reason}`);
    } else this.failed += 1;
  }
}

/** A reader with faults, to see that each kind is found. */
const first = Number(process.argv.find((argument) => argument.startsWith('--from=')).split('=')[1]);

export async function open() {
  let number = first;
  return {
    make: () => Buffer.of(1),
    async run() {
      switch (number++) {
        case 3:
          throw new TypeError('planted');
        case 5:
          for (;;);
        case 7:
          return process.abort();
        case 9:
          return `${Buffer.alloc(6e8, 1).length} bytes`;
        default:
          return 'read';
      }
    },
    close: () => undefined,
  };
}

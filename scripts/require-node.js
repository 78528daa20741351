/**
 * First step of every npm script that runs TypeScript: plain JavaScript that any Node understands, so that the wrong
 * one is named instead of failing on syntax. The right one is a devDependency and comes first on the PATH of scripts.
 */
const NEEDED = 24
const major = Number(process.versions.node.split('.')[0])

if (major < NEEDED) {
  console.error(`This project needs Node ${NEEDED} or newer; this is ${process.version} (${process.execPath}).

\`npm ci\` brings it along with the package "node", whose install script fetches the binary. It did not run if npm was
told to ignore scripts (\`npm config get ignore-scripts\`). To run that one script:

    npm rebuild node --ignore-scripts=false
`)
  process.exit(1)
}

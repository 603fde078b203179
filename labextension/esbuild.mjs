// Bundles the frame viewer into the one ESM file that anywidget hands to the browser, and the unit tests for node.
import { build } from 'esbuild';
import { readdirSync } from 'node:fs';

const arguments_ = new Set(process.argv.slice(2));
const development = arguments_.has('--dev');

if (arguments_.has('--tests')) {
    const entryPoints = readdirSync('tests')
        .filter(name => name.endsWith('.test.ts'))
        .map(name => `tests/${name}`);
    await build({
        entryPoints,
        bundle: true,
        platform: 'node',
        format: 'esm',
        outdir: 'lib/tests',
        outExtension: { '.js': '.mjs' }
    });
} else {
    await build({
        entryPoints: ['src/viewer.ts'],
        bundle: true,
        format: 'esm',
        target: 'es2022',
        minify: !development,
        sourcemap: development ? 'inline' : false,
        outdir: '../sfx_label/static',
        legalComments: 'none',
        loader: { '.css': 'text' } // one file is easier to ship than two
    });
}

import js from '@eslint/js';
import tseslint from 'typescript-eslint';

const banned = [
    { object: 'document', property: 'write', message: 'Text from files and users is set by textContent only.' }
];

export default tseslint.config(js.configs.recommended, ...tseslint.configs.strictTypeChecked, {
    files: ['src/**/*.ts', 'tests/**/*.ts'],
    languageOptions: { parserOptions: { project: './tsconfig.tests.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
        '@typescript-eslint/no-explicit-any': 'error',
        '@typescript-eslint/no-non-null-assertion': 'off', // indexes of typed arrays inside checked loops
        '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
        '@typescript-eslint/no-confusing-void-expression': 'off',
        '@typescript-eslint/no-floating-promises': [
            'error',
            { ignoreVoid: true, allowForKnownSafeCalls: [{ from: 'package', name: 'test', package: 'node:test' }] }
        ],
        'no-restricted-properties': ['error', ...banned],
        'no-restricted-syntax': [
            'error',
            {
                selector: 'MemberExpression[property.name=/^(innerHTML|outerHTML|insertAdjacentHTML)$/]',
                message: 'Text from files and users is set by textContent only.'
            }
        ]
    }
});

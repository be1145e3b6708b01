import type { TemplateExample } from '@backstage/plugin-scaffolder-node';

/** On the actions page, and run by the tests. */
export const githubExamples: TemplateExample[] = [
  {
    description: 'Open a pull request into the default branch',
    example: `steps:
  - id: pull
    name: Open the pull request
    action: purser:github:pull-request
    input:
      repoUrl: github.com?owner=acme&repo=shop
      branchName: add-cache
      title: Add a cache
      description: Requested in the portal.
`,
  },
  {
    description: 'Open a draft with labels, assignees and reviewers',
    example: `steps:
  - id: pull
    action: purser:github:pull-request
    input:
      repoUrl: github.com?owner=acme&repo=shop
      branchName: add-cache
      targetBranchName: develop
      title: Add a cache
      draft: true
      labels: [infrastructure]
      assignees: [amara]
      reviewers: [lukas]
      teamReviewers: [platform]
`,
  },
  {
    description:
      'Propose a branch of a fork as the signed-in user, and leave the text of an open one alone',
    example: `steps:
  - id: pull
    action: purser:github:pull-request
    input:
      repoUrl: github.com?owner=acme&repo=shop
      branchName: amara:add-cache
      title: Add a cache
      update: false
      token: \${{ secrets.USER_OAUTH_TOKEN }}
`,
  },
];

/** On the actions page, and run by the tests. */
export const gitlabExamples: TemplateExample[] = [
  {
    description: 'Open a merge request into the default branch',
    example: `steps:
  - id: merge
    name: Open the merge request
    action: purser:gitlab:merge-request
    input:
      repoUrl: gitlab.com?owner=acme&repo=shop
      branchName: add-cache
      title: Add a cache
      description: Requested in the portal.
`,
  },
  {
    description: 'Open a draft with labels, assignees and reviewers, to be squashed',
    example: `steps:
  - id: merge
    action: purser:gitlab:merge-request
    input:
      repoUrl: gitlab.com?owner=acme&repo=shop
      branchName: add-cache
      targetBranchName: develop
      title: Add a cache
      draft: true
      labels: [infrastructure]
      assignees: [amara]
      reviewers: [lukas]
      squash: true
      removeSourceBranch: true
`,
  },
  {
    description: 'Name the project by its id, and act as the signed-in user',
    example: `steps:
  - id: merge
    action: purser:gitlab:merge-request
    input:
      repoUrl: gitlab.com?owner=acme&repo=shop&project=42
      branchName: add-cache
      title: Add a cache
      update: false
      token: \${{ secrets.USER_OAUTH_TOKEN }}
`,
  },
];

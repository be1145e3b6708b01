export { createGithubPullRequestAction } from './github';
export { createGitlabMergeRequestAction } from './gitlab';
export type { PullRequestDeps } from './action';

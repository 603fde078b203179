// A run in a tab of its own, with a kernel of its own and no code to be typed.

import { SessionContext, SessionContextDialogs } from '@jupyterlab/apputils';
import type { Kernel, ServiceManager } from '@jupyterlab/services';
import { Widget } from '@lumino/widgets';
import { button, make } from '../dom';
import { baseName } from './code';
import { nextViewer } from './kernelwidget';

export class RunPanel extends Widget {
  readonly sessionContext: SessionContext;

  /**
   * @param path of the run, as the file browser knows it
   * @param code that makes the viewer or labeller in the kernel
   */
  constructor(
    readonly path: string,
    private readonly code: string,
    services: ServiceManager.IManager
  ) {
    super();
    this.addClass('sfx-panel');
    this.node.append(this.body);
    this.sessionContext = new SessionContext({
      sessionManager: services.sessions,
      specsManager: services.kernelspecs,
      path,
      name: baseName(path),
      type: 'sfx-label',
      kernelPreference: { language: 'python', autoStartDefault: true, shutdownOnDispose: true }
    });
    this.sessionContext.statusChanged.connect((_, status) => {
      if (status === 'autorestarting' || status === 'dead') {
        this.fail('The kernel of this panel has died. What was shown as saved is on the disk.', '');
      }
    });
    void this.start();
  }

  override dispose(): void {
    this.unmount();
    this.sessionContext.dispose();
    super.dispose();
  }

  protected override onActivateRequest(): void {
    this.node.querySelector<HTMLElement>('.sfx-root')?.focus();
  }

  /** Starts the kernel and shows the run; what fails is said in the panel, never only in the console. */
  private async start(): Promise<void> {
    this.say('Starting a kernel …');
    try {
      if (await this.sessionContext.initialize()) {
        await new SessionContextDialogs().selectKernel(this.sessionContext);
      }
      const kernel = this.sessionContext.session?.kernel;
      if (!kernel) {
        this.fail('No Python kernel was started.', '');
        return;
      }
      await kernel.info;
      this.say(`Opening ${baseName(this.path)} …`);
      await this.present(kernel);
    } catch (error) {
      this.fail('This run could not be opened.', error instanceof Error ? error.message : String(error));
    }
  }

  private async present(kernel: Kernel.IKernelConnection): Promise<void> {
    const viewer = nextViewer(kernel);
    const problem = await run(kernel, this.code);
    if (problem !== null) {
      this.fail(problem.summary, problem.details);
      return;
    }
    const mount = await viewer;
    this.body.replaceChildren();
    this.unmount();
    this.unmount = await mount(this.body);
    this.node.querySelector<HTMLElement>('.sfx-root')?.focus();
  }

  private say(text: string): void {
    this.body.replaceChildren(make('p', { class: 'sfx-panel-text', text, attributes: { role: 'status' } }));
  }

  private fail(text: string, details: string): void {
    const children = [
      make('p', { class: 'sfx-panel-problem', text, attributes: { role: 'alert' } }),
      button('Try again', 'Open this run again', () => void this.retry(), 'jp-mod-styled jp-mod-accept'),
      details === ''
        ? null
        : button('Copy details', 'Copy', () => void navigator.clipboard.writeText(details), 'jp-mod-styled'),
      details === '' ? null : make('pre', { class: 'sfx-panel-details', text: details })
    ];
    this.unmount();
    this.unmount = () => undefined;
    this.body.replaceChildren(make('div', { class: 'sfx-panel-failed', children }));
  }

  private async retry(): Promise<void> {
    this.say('Starting a new kernel …');
    await this.sessionContext.restartKernel();
    await this.start();
  }

  private readonly body = make('div', { class: 'sfx-panel-body' });
  private unmount: () => void = () => undefined;
}

interface Problem {
  summary: string;
  details: string;
}

/** Runs code and returns what went wrong, or null. */
async function run(kernel: Kernel.IKernelConnection, code: string): Promise<Problem | null> {
  const reply = await kernel.requestExecute({ code, store_history: false, stop_on_error: true }).done;
  const { content } = reply;
  if (content.status === 'ok') {
    return null;
  }
  if (content.status === 'error') {
    // eslint-disable-next-line no-control-regex -- tracebacks are coloured for terminals
    const details = content.traceback.join('\n').replace(/\u001b\[[\d;]*m/g, '');
    return { summary: content.evalue, details };
  }
  return { summary: 'The kernel gave up before the run was open.', details: '' };
}

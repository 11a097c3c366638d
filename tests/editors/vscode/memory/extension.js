// A file system that is not on the disk, as those of repositories on the web.
const vscode = require("vscode");

const FOLDERS = ["/", "/app"];
const FILES = new Map([["/app/remote.py", Buffer.from("first = 1\nsecond = 2\n")]]);

class Memory {
  onDidChangeFile = new vscode.EventEmitter().event;

  watch() {
    return new vscode.Disposable(() => {});
  }

  stat({ path }) {
    const content = FILES.get(path);
    if (!content && !FOLDERS.includes(path)) throw vscode.FileSystemError.FileNotFound(path);
    const type = content ? vscode.FileType.File : vscode.FileType.Directory;
    return { type, ctime: 0, mtime: 0, size: content?.length ?? 0 };
  }

  readDirectory({ path }) {
    const begin = path === "/" ? path : `${path}/`;
    return [...FILES.keys()]
      .filter((file) => file.startsWith(begin) && !file.slice(begin.length).includes("/"))
      .map((file) => [file.slice(begin.length), vscode.FileType.File]);
  }

  readFile({ path }) {
    const content = FILES.get(path);
    if (!content) throw vscode.FileSystemError.FileNotFound(path);
    return content;
  }

  writeFile({ path }) {
    throw vscode.FileSystemError.NoPermissions(path);
  }

  createDirectory({ path }) {
    throw vscode.FileSystemError.NoPermissions(path);
  }

  delete({ path }) {
    throw vscode.FileSystemError.NoPermissions(path);
  }

  rename({ path }) {
    throw vscode.FileSystemError.NoPermissions(path);
  }
}

exports.activate = (context) => {
  const memory = new Memory();
  context.subscriptions.push(vscode.workspace.registerFileSystemProvider("vscode-vfs", memory));
};

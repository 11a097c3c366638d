// The types of the protocol are generated, with those of the Node client.
export type {
  ChangeBatch,
  Change,
  Capability,
  ContextEntry,
  Current,
  CurrentResult,
  Location,
  Range,
  SearchHit,
  Session,
  SessionMethods,
  TrashItem,
} from "../../node/tenets-session-client.mjs";

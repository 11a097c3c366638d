// The types of the protocol are generated, with those of the Node client.
export type {
  Capability,
  Change,
  ChangeBatch,
  ContextEntry,
  Current,
  Location,
  SearchHit,
  Session,
  SessionMethods,
  TrashItem,
} from "../../node/tenets-session-client.mjs";

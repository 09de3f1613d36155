/** A section of a document in docs/ that is made from the contracts. */
export interface Section {
  /** The service; left out: the section is about the whole application. */
  readonly service?: string;
  readonly title: string;
  readonly text: string;
}

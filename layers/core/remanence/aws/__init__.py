"""What only the Lambda functions need: observation, doorbells, the answer to CloudFormation."""
